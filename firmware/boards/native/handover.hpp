// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A reset of a virtual board as a new process image: the process executes itself again with the same arguments, and
// what a reset of real hardware leaves alone is handed over by open descriptors and a page of memory. The pty stays
// open, so that hosts see a board that restarts and no cable that is pulled; the lock of the state folder is never
// free. What the firmware holds in RAM is gone, as are bytes inside the board.
//
// The page is a memfd whose number is in the environment variable TML_BOARD_HANDOVER. It names the process it is for:
// a child that inherits the variable, or a stranger, starts as after power-up.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/file.hpp"
#include "common/wire/flash_link.hpp"
#include "firmware/boards/native/pty_uart.hpp"
#include "firmware/boards/native/sensor_source.hpp"

namespace tml::fw::native {

/// What survives the reset of a board. Times are Clock::steady() of the machine, which goes on over an exec.
struct Handover {
  // The mailbox.
  wire::flash::BootReason reason = wire::flash::BootReason::power;
  bool stay = false;  ///< The application asked for the bootloader.
  // The surroundings of the board.
  UniqueFd lock;
  UniqueFd master;  ///< Not valid while unplugged.
  UniqueFd slave;
  std::string state;
  bool state_is_temporary = false;
  std::uint64_t seed = 0;
  std::chrono::nanoseconds started{0};
  std::chrono::nanoseconds clock_started{0};
  std::chrono::nanoseconds replug_at{0};
  std::uint64_t timed_faults = 0;  ///< That have happened.
  bool announced = false;          ///< The event "ready" was sent.
  // The account.
  PtyUart::Account line;
  std::uint64_t reported_losses = 0;
  std::uint64_t programs = 0;
  std::uint64_t program_bytes = 0;
  // The world around it.
  std::vector<SourceState> sensors;
  SourceState camera;
};

/// What the process before this one left, once: the variable is removed. Nothing after a start by hand, or when what is
/// there does not fit.
[[nodiscard]] std::optional<Handover> take_handover();

/// Does not return when it works. Then nothing of this process runs again, no destructor either. Errc::io otherwise,
/// and all is as before.
[[nodiscard]] Error execute_again(const Handover& handover);

}  // namespace tml::fw::native
