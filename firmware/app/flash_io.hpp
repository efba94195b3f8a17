// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What both stores need from NOR flash: programs split at pages, little-endian words, and the safe way to make a sector
// blank.
#pragma once

#include <cstdint>
#include <span>

#include "firmware/hal/flash.hpp"

namespace tml::fw::app {

/// Programs any range, one page at a time, in ascending order. False when the flash refused; a prefix may have been
/// programmed.
[[nodiscard]] bool program_range(hal::Flash& flash, std::uint32_t offset, std::span<const std::uint8_t> bytes);

/// Erases a sector whose first `head_bytes` identify its content. They are programmed to zero first: an erase that is
/// cut short leaves any mixture of old and set bits, and without this step a mixture could be a header with its
/// "deleted" mark gone.
[[nodiscard]] bool kill_and_erase(hal::Flash& flash, std::uint32_t offset, std::uint32_t head_bytes);

/// True when all bytes are 0xFF.
[[nodiscard]] bool is_blank(std::span<const std::uint8_t> bytes);

inline void store_u32(std::uint8_t* at, std::uint32_t value) {
  for (unsigned i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(value >> (8 * i));
}
[[nodiscard]] inline std::uint32_t load_u32(const std::uint8_t* at) {
  std::uint32_t value = 0;
  for (unsigned i = 0; i < 4; ++i) value |= static_cast<std::uint32_t>(at[i]) << (8 * i);
  return value;
}

}  // namespace tml::fw::app
