// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the bootloader's two programs share: the memory of its engine and of its line.
#pragma once

#include "firmware/update/parts.hpp"

namespace tml::fw::mps2 {

/// Static: one engine at a time.
[[nodiscard]] update::Memory boot_memory();

/// Rings of the line: bytes that wait while one flash operation runs.
[[nodiscard]] std::span<std::uint8_t> boot_receive_ring();
[[nodiscard]] std::span<std::uint8_t> boot_send_ring();

}  // namespace tml::fw::mps2
