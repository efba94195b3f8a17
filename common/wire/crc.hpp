// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The four CRCs of the product, incremental and usable at compile time. One 256-entry table each (512 B or 1 KiB of
// flash, only for those that are used); 64-bit hosts take eight bytes per step for the 32-bit ones. With TML_SMALL
// defined (for all of an image: its bootloader) the table has 16 entries, and a byte takes two steps.
//
//   Crc16Ccitt   reflected 0x1021, init 0xFFFF, no final xor     Zephyr crc16_ccitt; sensor stream section 2
//   "123456789" -> 0x6F91 Crc16Xmodem  0x1021, init 0, not reflected                   boot loader link "123456789" ->
//   0x31C3 Crc32        reflected 0x04C11DB7, init and xor all ones     IEEE 802.3, zlib "123456789" -> 0xCBF43926
//   Crc32c       reflected 0x1EDC6F41, init and xor all ones     RFC 3720 appendix B.4 "123456789" -> 0xE3069283
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "common/wire/bytes.hpp"

namespace tml::wire {
namespace detail {

template <class Word>
constexpr Word reflect(Word value) {
  std::uint32_t in = value;
  std::uint32_t out = 0;
  for (unsigned i = 0; i < sizeof(Word) * 8; ++i) {
    out = (out << 1U) | (in & 1U);
    in >>= 1U;
  }
  return static_cast<Word>(out);
}

/// Bits of the message that one step takes: the table's index.
#ifdef TML_SMALL
inline constexpr unsigned kCrcStepBits = 4;
#else
inline constexpr unsigned kCrcStepBits = 8;
#endif
inline constexpr std::uint32_t kCrcEntries = 1U << kCrcStepBits;

template <class Word, Word kPolynomial, bool kReflected, std::size_t kSlices>
constexpr std::array<std::array<Word, kCrcEntries>, kSlices> make_crc_tables() {
  static_assert(kSlices == 1 || kCrcStepBits == 8);
  constexpr unsigned kBits = sizeof(Word) * 8;
  constexpr std::uint32_t kTop = std::uint32_t{1} << (kBits - 1);
  constexpr std::uint32_t kStep = kReflected ? reflect(kPolynomial) : kPolynomial;
  std::array<std::array<Word, kCrcEntries>, kSlices> tables{};
  for (std::uint32_t i = 0; i < kCrcEntries; ++i) {
    std::uint32_t crc = kReflected ? i : i << (kBits - kCrcStepBits);
    for (unsigned bit = 0; bit < kCrcStepBits; ++bit) {
      if constexpr (kReflected) {
        crc = (crc & 1U) != 0 ? (crc >> 1U) ^ kStep : crc >> 1U;
      } else {
        crc = (crc & kTop) != 0 ? (crc << 1U) ^ kStep : crc << 1U;
      }
    }
    tables[0][i] = static_cast<Word>(crc);
  }
  for (std::size_t slice = 1; slice < kSlices; ++slice) {
    for (unsigned i = 0; i < kCrcEntries; ++i) {
      const Word previous = tables[slice - 1][i];
      tables[slice][i] = static_cast<Word>((previous >> 8U) ^ tables[0][previous & 0xFFU]);
    }
  }
  return tables;
}

}  // namespace detail

template <class Word, Word kPolynomial, bool kReflected, Word kInitial, Word kFinalXor>
class Crc {
 public:
  using Value = Word;

  constexpr void update(std::uint8_t byte) {
    if constexpr (kStepBits == 8) {
      step(byte);
    } else if constexpr (kReflected) {
      step(byte);
      step(static_cast<std::uint8_t>(byte >> 4U));
    } else {
      step(static_cast<std::uint8_t>(byte >> 4U));
      step(byte);
    }
  }
  constexpr void update(std::span<const std::byte> bytes) {
    std::size_t i = 0;
    if constexpr (kSlices == 8) {
      if (!std::is_constant_evaluated()) {
        for (; bytes.size() - i >= 8; i += 8) step8(bytes.data() + i);
      }
    }
    for (; i < bytes.size(); ++i) update(static_cast<std::uint8_t>(bytes[i]));
  }
  constexpr void update(std::string_view text) {
    for (const char c : text) update(static_cast<std::uint8_t>(c));
  }
  /// The CRC of everything so far; may be asked at any time.
  [[nodiscard]] constexpr Word value() const { return static_cast<Word>(state_ ^ kFinalXor); }
  constexpr void reset() { state_ = kInitial; }

  [[nodiscard]] static constexpr Word of(std::span<const std::byte> bytes) {
    Crc crc;
    crc.update(bytes);
    return crc.value();
  }
  [[nodiscard]] static constexpr Word of(std::string_view text) {
    Crc crc;
    crc.update(text);
    return crc.value();
  }

 private:
  static constexpr unsigned kStepBits = detail::kCrcStepBits;
  static constexpr std::size_t kSlices = kStepBits == 8 && kReflected && sizeof(Word) == 4 && sizeof(void*) == 8 &&
                                                 std::endian::native == std::endian::little
                                             ? 8
                                             : 1;
  static constexpr auto kTables = detail::make_crc_tables<Word, kPolynomial, kReflected, kSlices>();

  // The low bits of `bits`.
  constexpr void step(std::uint8_t bits) {
    constexpr std::uint32_t kMask = detail::kCrcEntries - 1;
    const std::uint32_t state = state_;
    if constexpr (kReflected) {
      state_ = static_cast<Word>((state >> kStepBits) ^ kTables[0][(state ^ bits) & kMask]);
    } else {
      constexpr unsigned kShift = sizeof(Word) * 8 - kStepBits;
      state_ = static_cast<Word>((state << kStepBits) ^ kTables[0][((state >> kShift) ^ bits) & kMask]);
    }
  }
  void step8(const std::byte* at) {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    std::memcpy(&low, at, 4);
    std::memcpy(&high, at + 4, 4);
    low ^= state_;
    state_ = kTables[7][low & 0xFFU] ^ kTables[6][(low >> 8U) & 0xFFU] ^ kTables[5][(low >> 16U) & 0xFFU] ^
             kTables[4][low >> 24U] ^ kTables[3][high & 0xFFU] ^ kTables[2][(high >> 8U) & 0xFFU] ^
             kTables[1][(high >> 16U) & 0xFFU] ^ kTables[0][high >> 24U];
  }

  Word state_ = kInitial;
};

using Crc16Ccitt = Crc<std::uint16_t, 0x1021, true, 0xFFFF, 0>;
using Crc16Xmodem = Crc<std::uint16_t, 0x1021, false, 0, 0>;
using Crc32 = Crc<std::uint32_t, 0x04C11DB7U, true, 0xFFFFFFFFU, 0xFFFFFFFFU>;
using Crc32c = Crc<std::uint32_t, 0x1EDC6F41U, true, 0xFFFFFFFFU, 0xFFFFFFFFU>;

}  // namespace tml::wire
