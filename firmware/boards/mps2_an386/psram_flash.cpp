// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/psram_flash.hpp"

#include <cstring>

#include "firmware/boards/mps2_an386/event_port.hpp"

namespace tml::fw::mps2 {
namespace {

constexpr std::uint8_t kErased = 0xFF;

// NOLINTNEXTLINE(performance-no-int-to-ptr)
std::uint8_t* cell(std::uint32_t offset) { return reinterpret_cast<std::uint8_t*>(kPsramBase + offset); }

bool outside(std::uint32_t offset, std::size_t bytes) {
  return offset > kWindowOffset || bytes > kWindowOffset - offset;
}

}  // namespace

bool PsramFlash::read(std::uint32_t offset, std::span<std::uint8_t> into) {
  if (outside(offset, into.size())) panic("flash rule broken: read beyond the end at offset", offset);
  std::memcpy(into.data(), cell(offset), into.size());
  return true;
}

bool PsramFlash::program(std::uint32_t offset, std::span<const std::uint8_t> bytes) {
  if (outside(offset, bytes.size())) panic("flash rule broken: program beyond the end at offset", offset);
  if (bytes.empty()) return true;
  if (bytes.size() > hal::kFlashPageBytes - offset % hal::kFlashPageBytes) {
    panic("flash rule broken: program crosses a page at offset", offset);
  }
  std::uint8_t* const cells = cell(offset);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    // An 0xFF byte is "leave as it is", the one case where asking for ones over zeros is no mistake.
    if (bytes[i] != kErased && (bytes[i] & ~cells[i]) != 0) {
      panic("flash rule broken: program turns 0 into 1 at offset", offset + static_cast<std::uint32_t>(i));
    }
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) cells[i] = static_cast<std::uint8_t>(cells[i] & bytes[i]);
  ++wear_.programs;
  wear_.program_bytes += static_cast<std::uint32_t>(bytes.size());
  return true;
}

bool PsramFlash::erase_sector(std::uint32_t offset) {
  if (offset % hal::kFlashSectorBytes != 0) panic("flash rule broken: erase is not aligned at offset", offset);
  if (offset >= kWindowOffset) panic("flash rule broken: erase beyond the end at offset", offset);
  ++wear_.erases[offset / hal::kFlashSectorBytes];
  std::memset(cell(offset), kErased, hal::kFlashSectorBytes);
  return true;
}

std::span<const std::uint8_t> PsramFlash::mapped(std::uint32_t offset, std::uint32_t bytes) {
  if (bytes == 0 || outside(offset, bytes)) return {};
  return {cell(offset), bytes};
}

}  // namespace tml::fw::mps2
