// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/text.hpp"

#include <array>

#include "common/wire/number.hpp"

namespace tml::fw::app {

Line& Line::put(std::string_view text) {
  if (!text_.append(text)) truncated_ = true;
  return *this;
}

Line& Line::number(std::uint64_t value) {
  std::array<char, 20> digits;
  const auto size = wire::format_unsigned(value, digits);
  return put(std::string_view(digits.data(), size.value_or(0)));
}

Line& Line::fixed(double value, unsigned decimals) {
  std::array<char, 32> digits;
  const auto size = wire::format_fixed(value, decimals, digits);
  return size ? put(std::string_view(digits.data(), *size)) : put('?');
}

}  // namespace tml::fw::app
