// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Hexadecimal text: lower case out, either case in. The streaming decoder reads what boards before AT 1.2 send for
// files (wire reference 1.5) and the dumps of AT+READRAW (1.7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/wire/errc.hpp"

namespace tml::wire {

/// 0 to 15, or -1.
[[nodiscard]] constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Writes two lower-case characters per byte; returns their number, or Errc::overflow.
[[nodiscard]] Result<std::size_t> hex_encode(std::span<const std::byte> in, std::span<char> out);
/// Errc::truncated for an odd number of characters, Errc::bad_character, Errc::overflow.
[[nodiscard]] Result<std::size_t> hex_decode(std::string_view in, std::span<std::byte> out);

/// Any chunking; blanks, tabs, CR and LF between bytes are skipped.
class HexDecoder {
 public:
  [[nodiscard]] Result<std::size_t> update(std::string_view in, std::span<std::byte> out);
  [[nodiscard]] Result<void> finish() const;
  [[nodiscard]] std::uint64_t decoded() const { return decoded_; }
  [[nodiscard]] std::uint64_t position() const { return position_; }

 private:
  int high_ = -1;
  bool failed_ = false;
  Errc error_ = Errc::malformed;
  std::uint64_t decoded_ = 0;
  std::uint64_t position_ = 0;
};

}  // namespace tml::wire
