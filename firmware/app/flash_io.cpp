// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/flash_io.hpp"

#include <algorithm>
#include <array>

namespace tml::fw::app {

bool program_range(hal::Flash& flash, std::uint32_t offset, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const std::uint32_t room = hal::kFlashPageBytes - offset % hal::kFlashPageBytes;
    const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(room, bytes.size()));
    if (!flash.program(offset, bytes.first(count))) return false;
    offset += count;
    bytes = bytes.subspan(count);
  }
  return true;
}

bool kill_and_erase(hal::Flash& flash, std::uint32_t offset, std::uint32_t head_bytes) {
  std::array<std::uint8_t, hal::kFlashPageBytes> head{};
  const auto part = std::span(head).first(std::min<std::size_t>(head_bytes, head.size()));
  if (!flash.read(offset, part)) return false;
  if (!is_blank(part)) {
    std::fill(part.begin(), part.end(), std::uint8_t{0});
    if (!flash.program(offset, part)) return false;
  }
  return flash.erase_sector(offset);
}

bool is_blank(std::span<const std::uint8_t> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0xFF; });
}

}  // namespace tml::fw::app
