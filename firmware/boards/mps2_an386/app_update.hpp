// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The application's update engine, for updates in the background and AT+BOOTMODE.
#pragma once

#include "firmware/app/board.hpp"
#include "firmware/boards/mps2_an386/board_boot.hpp"
#include "firmware/boards/mps2_an386/host_window.hpp"

namespace tml::fw::mps2 {

/// What the UART's driver holds while one flash operation runs.
inline constexpr std::size_t kReceiveRingBytes = 4096;

/// In static memory, mounted: call once.
[[nodiscard]] const app::UpdateEngine& update_engine(hal::Flash& flash, hal::Clock& clock, hal::Random& random,
                                                     hal::Uart& uart, BoardBoot& port, const Window& window);

/// The slot whose image this is: from where its vectors lie. kNoSlot without a bootloader.
[[nodiscard]] std::uint8_t running_slot();

}  // namespace tml::fw::mps2
