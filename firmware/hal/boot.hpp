// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a bootloader and an application know of each other and of the last reset: a mailbox in RAM that a reset leaves
// alone, the watchdog, and the leap into an application.
#pragma once

#include <cstdint>

#include "common/wire/flash_link.hpp"

namespace tml::fw::hal {

/// One thread. Nothing here blocks.
class BootPort {
 public:
  /// Why the processor runs: from the chip's reset register, or what the mailbox says. Constant until the next reset.
  [[nodiscard]] virtual wire::flash::BootReason reason() const = 0;

  /// True when the application asked for the bootloader before this reset (stay()). Reading it clears it: a second
  /// reset goes back to the application.
  [[nodiscard]] virtual bool take_stay_request() = 0;
  /// Asks the bootloader to stay after the next reset.
  virtual void ask_to_stay() = 0;

  /// Resets the processor; on an MCU it does not return. Where it returns the caller is finished and must do nothing
  /// more.
  virtual void reset(wire::flash::BootReason reason) = 0;

  /// Starts the watchdog, which resets the board (BootReason::watchdog) unless fed once per `ms`; 0 stops it where the
  /// chip can. The bootloader arms it before it starts a trial; an application feeds it from its loop.
  virtual void arm_watchdog(std::uint32_t ms) = 0;
  virtual void feed_watchdog() = 0;

  /// Leaves for the application whose vector table lies at `flash_offset`. On an MCU it does not return. Where it
  /// returns, the owner of the bootloader starts the application of that slot.
  virtual void start_application(std::uint8_t slot, std::uint32_t flash_offset) = 0;

 protected:
  ~BootPort() = default;
};

}  // namespace tml::fw::hal
