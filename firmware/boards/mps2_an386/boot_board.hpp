// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the bootloader's two programs share: the memory of its engine, and the board as the engine sees it.
#pragma once

#include "firmware/boards/mps2_an386/host_window.hpp"
#include "firmware/update/parts.hpp"

namespace tml::fw::mps2 {

/// Static memory: call once.
[[nodiscard]] const update::Product& boot_product(const Window& window);
[[nodiscard]] update::Memory boot_memory();
[[nodiscard]] update::Parts boot_parts(hal::Flash& flash, hal::Clock& clock, hal::Random& random, hal::BootPort& port,
                                       const update::Product& product);

/// Rings of the line: bytes that wait while one flash operation runs.
[[nodiscard]] std::span<std::uint8_t> boot_receive_ring();
[[nodiscard]] std::span<std::uint8_t> boot_send_ring();

}  // namespace tml::fw::mps2
