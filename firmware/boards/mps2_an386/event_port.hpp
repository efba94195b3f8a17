// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// UART1: what the firmware tells the program that started QEMU, one line each, polled.
//
//     loader REASON VERSION  the bootloader runs; again after each reset (REASON: a wire::flash::BootReason; numbers)
//     start SLOT             it leaps into the application of that slot
//     stay                   it starts no application and listens
//     boot [SLOT VERSION]    the application runs; again after each reset. SLOT, VERSION: behind a bootloader
//     watchdog               nobody fed it: a reset follows
//     fault                  a fault of an application that a bootloader started: a reset follows
//     r                      look at the window: a request, or room in a ring
//     sample NAME BYTES      a capture is committed to flash
//     panic TEXT             a broken rule of the flash, or a fault; the processor has halted
#pragma once

#include <cstdint>
#include <string_view>

namespace tml::fw::mps2 {

void start_event_port();

/// Writes `text` and nothing else: a line may be made of several.
void tell(std::string_view text);
void tell(std::uint32_t number);
void tell_hex(std::uint32_t number);

/// Says `panic TEXT NUMBER` (hexadecimal) and halts.
[[noreturn]] void panic(std::string_view text, std::uint32_t number);

}  // namespace tml::fw::mps2
