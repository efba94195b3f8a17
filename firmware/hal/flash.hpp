// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// NOR flash: the only memory that survives a power cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tml::fw::hal {

inline constexpr std::uint32_t kFlashSectorBytes =
    4096;                                              ///< Erase unit of serial NOR flash (JEDEC JESD216 4 KiB erase).
inline constexpr std::uint32_t kFlashPageBytes = 256;  ///< Largest single program operation of serial NOR flash.

/// Byte-programmable NOR: an erased byte reads 0xFF, programming only turns ones into zeros, and a byte may be
/// programmed again to clear more bits. Offsets count from the start of the device. Calls block for as long as the chip
/// takes (typically 0.7 ms per page, 45 ms per sector); the application makes at most one erase or a few page programs
/// per step. A call that returns false has failed in hardware or was out of range; nothing is assumed about the bytes
/// it touched. Power may fail inside any call: a program may leave any subset of its bits cleared, an erase any subset
/// of bits set.
class Flash {
 public:
  /// Multiple of kFlashSectorBytes.
  [[nodiscard]] virtual std::uint32_t size_bytes() const = 0;

  [[nodiscard]] virtual bool read(std::uint32_t offset, std::span<std::uint8_t> into) = 0;

  /// The new content of each byte is `old & new`. The application never passes more than kFlashPageBytes, nor a range
  /// that crosses a page boundary, so that a driver can map it to one page program command.
  [[nodiscard]] virtual bool program(std::uint32_t offset, std::span<const std::uint8_t> bytes) = 0;

  /// Sets the sector that starts at `offset` (multiple of kFlashSectorBytes) to 0xFF.
  [[nodiscard]] virtual bool erase_sector(std::uint32_t offset) = 0;

  /// The content of a range in place, for models that are too large to copy: memory mapped NOR, or a copy that the
  /// driver keeps in step. Valid until a byte of the range is next programmed or erased; aligned like `offset`, up to
  /// 16 bytes. Empty: this device cannot (the default), or the range is out of bounds or empty.
  [[nodiscard]] virtual std::span<const std::uint8_t> mapped(std::uint32_t offset, std::uint32_t bytes) {
    (void)offset;
    (void)bytes;
    return {};
  }

 protected:
  ~Flash() = default;
};

/// A part of a Flash. Both numbers are multiples of kFlashSectorBytes.
struct FlashRegion {
  std::uint32_t offset = 0;
  std::uint32_t size_bytes = 0;
};

}  // namespace tml::fw::hal
