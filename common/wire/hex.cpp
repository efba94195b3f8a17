// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/hex.hpp"

namespace tml::wire {

Result<std::size_t> hex_encode(std::span<const std::byte> in, std::span<char> out) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  if (in.size() > out.size() / 2) return fail(Errc::overflow);
  std::size_t size = 0;
  for (const auto byte : in) {
    out[size++] = kDigits[static_cast<std::uint8_t>(byte) >> 4U];
    out[size++] = kDigits[static_cast<std::uint8_t>(byte) & 15U];
  }
  return size;
}

Result<std::size_t> hex_decode(std::string_view in, std::span<std::byte> out) {
  if (in.size() % 2 != 0) return fail(Errc::truncated);
  if (in.size() / 2 > out.size()) return fail(Errc::overflow);
  for (std::size_t i = 0; i < in.size(); i += 2) {
    const int high = hex_digit(in[i]);
    const int low = hex_digit(in[i + 1]);
    if (high < 0 || low < 0) return fail(Errc::bad_character);
    out[i / 2] = static_cast<std::byte>(high * 16 + low);
  }
  return in.size() / 2;
}

Result<std::size_t> HexDecoder::update(std::string_view in, std::span<std::byte> out) {
  if (failed_) return fail(error_);
  const auto give_up = [this](Errc code, std::size_t size) {
    failed_ = true;
    error_ = code;
    decoded_ += size;
    return fail(code);
  };
  std::size_t size = 0;
  for (const char c : in) {
    const int digit = hex_digit(c);
    if (digit < 0) {
      const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
      if (!blank || high_ >= 0) return give_up(Errc::bad_character, size);
    } else if (high_ < 0) {
      high_ = digit;
    } else {
      if (size == out.size()) return give_up(Errc::overflow, size);
      out[size++] = static_cast<std::byte>(high_ * 16 + digit);
      high_ = -1;
    }
    ++position_;
  }
  decoded_ += size;
  return size;
}

Result<void> HexDecoder::finish() const {
  if (failed_) return fail(error_);
  if (high_ >= 0) return fail(Errc::truncated);
  return {};
}

}  // namespace tml::wire
