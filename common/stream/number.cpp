// SPDX-License-Identifier: Apache-2.0
#include "common/stream/number.hpp"

#include <charconv>
#include <cmath>

namespace tml::stream {
namespace {

constexpr std::size_t kMaxField = 512;

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

std::optional<double> parse_radix(std::string_view digits, int radix) {
  if (digits.empty()) return std::nullopt;
  double value = 0;
  for (const char c : digits) {
    const int digit = digit_of(c);
    if (digit >= radix) return std::nullopt;
    value = value * radix + digit;
  }
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

/// True when the text, known to be a decimal literal out of a double's range, is too small rather than too large.
bool underflows(std::string_view text) {
  const std::size_t e = text.find_first_of("eE");
  if (e != std::string_view::npos) return e + 1 < text.size() && text[e + 1] == '-';
  return text.find('.') < kMaxField && text.find_first_of("123456789") > text.find('.');
}

}  // namespace

std::optional<double> parse_field(std::string_view field) {
  if (field.empty() || field.size() > kMaxField) return std::nullopt;
  if (field.size() > 2 && field[0] == '0') {
    const char mark = field[1];
    if (mark == 'x' || mark == 'X') return parse_radix(field.substr(2), 16);
    if (mark == 'o' || mark == 'O') return parse_radix(field.substr(2), 8);
    if (mark == 'b' || mark == 'B') return parse_radix(field.substr(2), 2);
  }
  const bool negative = field[0] == '-';
  const std::string_view text = negative || field[0] == '+' ? field.substr(1) : field;
  // from_chars would take "inf", "nan" and a second sign.
  if (text.empty() || !((text[0] >= '0' && text[0] <= '9') || text[0] == '.')) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    if (!underflows(text)) return std::nullopt;
    value = 0;
  } else if (error != std::errc()) {
    return std::nullopt;
  }
  return negative ? -value : value;
}

}  // namespace tml::stream
