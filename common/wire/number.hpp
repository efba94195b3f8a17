// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Decimal numbers in protocol texts, bounded and locale-free, small enough for the board (newlib's <charconv> for
// floating point is absent or pulls in tens of kilobytes).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/wire/errc.hpp"

namespace tml::wire {

/// Digits only (no sign, no blanks); Errc::bad_number when empty, not digits, or above `max`.
[[nodiscard]] Result<std::uint64_t> parse_unsigned(std::string_view text, std::uint64_t max = UINT64_MAX);
/// As parse_unsigned for 32 bits.
[[nodiscard]] Result<std::uint32_t> parse_u32(std::string_view text);
/// Optional '-' or '+', then digits.
[[nodiscard]] Result<std::int64_t> parse_signed(std::string_view text);
/// [+-] digits [. digits] [e [+-] digits], at most 64 characters, a digit on at least one side of the point. Correctly
/// rounded up to 15 significant digits with a decimal exponent within +-22, within a few ulp beyond. No "inf", no
/// "nan"; Errc::bad_number when the value is not finite.
[[nodiscard]] Result<double> parse_double(std::string_view text);

/// Decimal digits; number of characters, or Errc::overflow. 20 characters are always enough.
[[nodiscard]] Result<std::size_t> format_unsigned(std::uint64_t value, std::span<char> out);
[[nodiscard]] Result<std::size_t> format_signed(std::int64_t value, std::span<char> out);
/// `decimals` (0 to 9) digits after the point, rounded half away from zero, e.g. (62.5, 2) -> "62.50". Errc::bad_number
/// when the value is not finite or its magnitude times 10^decimals exceeds 2^53.
[[nodiscard]] Result<std::size_t> format_fixed(double value, unsigned decimals, std::span<char> out);
/// The shortest decimal that reads back as this float, e.g. 0.0625 -> "0.0625", 1e20f -> "1e20". Errc::bad_number when
/// not finite. 16 characters are always enough.
[[nodiscard]] Result<std::size_t> format_shortest(float value, std::span<char> out);

}  // namespace tml::wire
