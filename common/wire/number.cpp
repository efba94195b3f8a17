// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/number.hpp"

#include <array>
#include <limits>

namespace tml::wire {
namespace {

// Powers of ten that a double holds exactly.
constexpr std::array<double, 23> kPowers = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                            1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr int kExactPower = 22;
constexpr double kExactInteger = 9007199254740992.0;  // 2^53

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Stays in range step by step, so that 1e-320 or a long "0.000...1" neither overflows nor vanishes early.
double scale(double value, int exponent) {
  for (; exponent > kExactPower; exponent -= kExactPower) value *= kPowers[kExactPower];
  for (; exponent < -kExactPower; exponent += kExactPower) value /= kPowers[kExactPower];
  if (exponent < 0) return value / kPowers[static_cast<std::size_t>(-exponent)];
  return value * kPowers[static_cast<std::size_t>(exponent)];
}

bool is_finite(double value) { return value - value == 0; }

Result<std::size_t> copy(std::span<const char> text, std::span<char> out) {
  if (text.size() > out.size()) return fail(Errc::overflow);
  for (std::size_t i = 0; i < text.size(); ++i) out[i] = text[i];
  return text.size();
}

/// Digits of `value`, at least `width` of them, into the end of `buffer`.
std::span<const char> digits(std::uint64_t value, std::size_t width, std::array<char, 24>& buffer) {
  std::size_t at = buffer.size();
  while (value > 0 || buffer.size() - at < width) {
    buffer[--at] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return std::span(buffer).subspan(at);
}

class Text {
 public:
  void add(char c) { buffer_[size_++] = c; }
  void add(std::span<const char> text) {
    for (const char c : text) add(c);
  }
  void zeros(int count) {
    for (; count > 0; --count) add('0');
  }
  [[nodiscard]] std::span<const char> view() const { return std::span(buffer_).first(size_); }

 private:
  std::array<char, 48> buffer_{};
  std::size_t size_ = 0;
};

}  // namespace

Result<std::uint64_t> parse_unsigned(std::string_view text, std::uint64_t max) {
  if (text.empty()) return fail(Errc::bad_number);
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return fail(Errc::bad_number);
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) return fail(Errc::bad_number);
    value = value * 10 + digit;
    if (value > max) return fail(Errc::bad_number);
  }
  return value;
}

Result<std::uint32_t> parse_u32(std::string_view text) {
  const auto value = parse_unsigned(text, std::numeric_limits<std::uint32_t>::max());
  if (!value) return fail(value.error());
  return static_cast<std::uint32_t>(*value);
}

Result<std::int64_t> parse_signed(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const auto value = parse_unsigned(text, negative ? kMax + 1 : kMax);
  if (!value) return fail(value.error());
  return negative ? static_cast<std::int64_t>(0 - *value) : static_cast<std::int64_t>(*value);
}

Result<double> parse_double(std::string_view text) {
  if (text.empty() || text.size() > 64) return fail(Errc::bad_number);
  std::size_t i = 0;
  const bool negative = text[0] == '-';
  if (text[0] == '-' || text[0] == '+') ++i;
  std::uint64_t mantissa = 0;
  int exponent = 0;
  int significant = 0;
  bool any = false;
  bool point = false;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (!is_digit(c)) break;
    any = true;
    if (significant < 19) {
      mantissa = mantissa * 10 + static_cast<std::uint64_t>(c - '0');
      if (mantissa > 0) ++significant;
      if (point) --exponent;
    } else if (!point) {
      ++exponent;
    }
  }
  if (!any) return fail(Errc::bad_number);
  if (i < text.size()) {
    if (text[i] != 'e' && text[i] != 'E') return fail(Errc::bad_number);
    ++i;
    bool minus = false;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) minus = text[i++] == '-';
    if (i == text.size()) return fail(Errc::bad_number);
    int given = 0;
    for (; i < text.size(); ++i) {
      if (!is_digit(text[i])) return fail(Errc::bad_number);
      if (given < 10000) given = given * 10 + (text[i] - '0');
    }
    exponent += minus ? -given : given;
  }
  double value = 0;
  if (mantissa > 0) {
    // Beyond these a double is infinite or zero whatever the mantissa.
    if (exponent > 310) return fail(Errc::bad_number);
    if (exponent > -400) value = scale(static_cast<double>(mantissa), exponent);
    if (!is_finite(value)) return fail(Errc::bad_number);
  }
  return negative ? -value : value;
}

Result<std::size_t> format_unsigned(std::uint64_t value, std::span<char> out) {
  std::array<char, 24> buffer{};
  return copy(digits(value, 1, buffer), out);
}

Result<std::size_t> format_signed(std::int64_t value, std::span<char> out) {
  if (value >= 0) return format_unsigned(static_cast<std::uint64_t>(value), out);
  std::array<char, 24> buffer{};
  Text text;
  text.add('-');
  text.add(digits(0 - static_cast<std::uint64_t>(value), 1, buffer));
  return copy(text.view(), out);
}

Result<std::size_t> format_fixed(double value, unsigned decimals, std::span<char> out) {
  if (!is_finite(value) || decimals > 9) return fail(Errc::bad_number);
  const double scaled = (value < 0 ? -value : value) * kPowers[decimals];
  if (scaled > kExactInteger) return fail(Errc::bad_number);
  auto rounded = static_cast<std::uint64_t>(scaled);
  if (scaled - static_cast<double>(rounded) >= 0.5) ++rounded;
  std::array<char, 24> buffer{};
  const auto all = digits(rounded, decimals + 1, buffer);
  Text text;
  if (value < 0 && rounded > 0) text.add('-');
  text.add(all.first(all.size() - decimals));
  if (decimals > 0) {
    text.add('.');
    text.add(all.last(decimals));
  }
  return copy(text.view(), out);
}

Result<std::size_t> format_shortest(float value, std::span<char> out) {
  if (!is_finite(static_cast<double>(value))) return fail(Errc::bad_number);
  const double magnitude = value < 0 ? -static_cast<double>(value) : static_cast<double>(value);
  Text text;
  if (value < 0) text.add('-');
  if (magnitude == 0) {
    text.add('0');
    return copy(text.view(), out);
  }
  int exponent = 0;
  for (double rest = magnitude; rest >= 10; rest /= 10) ++exponent;
  for (double rest = magnitude; rest < 1; rest *= 10) --exponent;
  // Nine digits tell all floats apart, and a double computes with them without harm.
  std::uint64_t mantissa = 0;
  int count = 1;
  for (; count <= 9; ++count) {
    mantissa = static_cast<std::uint64_t>(scale(magnitude, count - 1 - exponent) + 0.5);
    if (static_cast<float>(scale(static_cast<double>(mantissa), exponent - count + 1)) == static_cast<float>(magnitude))
      break;
  }
  std::array<char, 24> buffer{};
  auto shown = digits(mantissa, 1, buffer);
  exponent += static_cast<int>(shown.size()) - (count > 9 ? 9 : count);
  while (shown.size() > 1 && shown.back() == '0') shown = shown.first(shown.size() - 1);
  const auto size = static_cast<int>(shown.size());
  if (exponent >= 10 || exponent < -5) {
    text.add(shown.first(1));
    if (size > 1) {
      text.add('.');
      text.add(shown.subspan(1));
    }
    text.add('e');
    if (exponent < 0) text.add('-');
    std::array<char, 24> power{};
    text.add(digits(static_cast<std::uint64_t>(exponent < 0 ? -exponent : exponent), 1, power));
  } else if (exponent < 0) {
    text.add('0');
    text.add('.');
    text.zeros(-exponent - 1);
    text.add(shown);
  } else if (size <= exponent + 1) {
    text.add(shown);
    text.zeros(exponent + 1 - size);
  } else {
    const auto whole = static_cast<std::size_t>(exponent + 1);
    text.add(shown.first(whole));
    text.add('.');
    text.add(shown.subspan(whole));
  }
  return copy(text.view(), out);
}

}  // namespace tml::wire
