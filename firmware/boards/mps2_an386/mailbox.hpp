// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The last 256 bytes of the SRAM, which a reset leaves alone: what this reset tells the next, and the bootloader the
// application. Every image has it at the same address (memory.ld). A mailbox whose check word is wrong is an empty one:
// power was off.
#pragma once

#include <cstdint>

#include "common/wire/flash_link.hpp"

namespace tml::fw::mps2 {

/// Says why the reset that follows happens. From any context.
void leave_reason(wire::flash::BootReason reason);
/// The reason that was left, once; power when there is none, which is also the reset button.
[[nodiscard]] wire::flash::BootReason take_reason();

void leave_stay_request();
[[nodiscard]] bool take_stay_request();

/// From the bootloader to the application that it starts.
struct Handover {
  wire::flash::BootReason reason = wire::flash::BootReason::power;
  std::uint32_t boot_version = 0;  ///< 0: nothing was handed over.
};
void leave_handover(const Handover& handover);
[[nodiscard]] Handover handover();

/// Resets the processor; the memories keep their content.
[[noreturn]] void reset_processor();

}  // namespace tml::fw::mps2
