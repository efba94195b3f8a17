// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One field of a text line as ECMAScript's Number() reads it (wire reference 3.1; ECMA-262, StringToNumber): decimal
// with sign and exponent, and 0x, 0o, 0b without a sign. Infinity, NaN and numbers too large for a double are refused,
// since no sample can hold them.
#pragma once

#include <optional>
#include <string_view>

namespace tml::stream {

/// `field` without blanks around it; empty and longer than 512 characters are refused.
[[nodiscard]] std::optional<double> parse_field(std::string_view field);

}  // namespace tml::stream
