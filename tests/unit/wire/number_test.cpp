// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/number.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "common/wire/text.hpp"
#include "tests/unit/wire/support.hpp"

namespace tml::wire {
namespace {

std::string fixed(double value, unsigned decimals) {
  std::array<char, 40> out{};
  const auto size = format_fixed(value, decimals, out);
  return size ? std::string(out.data(), *size) : std::string(errc_name(size.error()));
}

std::string shortest(float value) {
  std::array<char, 16> out{};
  const auto size = format_shortest(value, out);
  return size ? std::string(out.data(), *size) : std::string(errc_name(size.error()));
}

TEST(Number, Fixed) {
  EXPECT_EQ(fixed(62.5, 2), "62.50");
  EXPECT_EQ(fixed(10, 5), "10.00000");
  EXPECT_EQ(fixed(0.0625, 5), "0.06250");
  EXPECT_EQ(fixed(-0.004, 2), "0.00");
  EXPECT_EQ(fixed(-1.5, 0), "-2");
  EXPECT_EQ(fixed(0, 0), "0");
  EXPECT_EQ(fixed(1e15, 2), "bad_number");
  EXPECT_EQ(fixed(std::numeric_limits<double>::quiet_NaN(), 2), "bad_number");
  EXPECT_EQ(fixed(std::numeric_limits<double>::infinity(), 2), "bad_number");
  std::array<char, 4> small{};
  EXPECT_EQ(format_fixed(62.5, 2, small).error(), Errc::overflow);
}

TEST(Number, Shortest) {
  EXPECT_EQ(shortest(0.0625F), "0.0625");
  EXPECT_EQ(shortest(62.5F), "62.5");
  EXPECT_EQ(shortest(10), "10");
  EXPECT_EQ(shortest(-9.81F), "-9.81");
  EXPECT_EQ(shortest(1e20F), "1e20");
  EXPECT_EQ(shortest(0), "0");
  EXPECT_EQ(shortest(16777216.0F), "16777216");
  EXPECT_EQ(shortest(std::numeric_limits<float>::infinity()), "bad_number");
}

TEST(Number, ShortestReadsBack) {
  EXPECT_TRUE(rc::check([](std::uint32_t bits) {
    const auto value = std::bit_cast<float>(bits);
    RC_PRE(std::isfinite(value));
    const std::string text = shortest(value);
    RC_LOG() << text;
    RC_ASSERT(std::strtof(text.c_str(), nullptr) == value);
    const auto parsed = parse_double(text);
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(static_cast<float>(*parsed) == value);
  }));
  for (const float value : {1.17549435e-38F, 1e-45F, 3.40282347e38F, 9.5e-6F, 0.1F}) {
    EXPECT_EQ(std::strtof(shortest(value).c_str(), nullptr), value) << shortest(value);
  }
}

TEST(Number, ParsesShortDecimalsExactly) {
  EXPECT_TRUE(rc::check([](std::int32_t mantissa) {
    const int decimals = *rc::gen::inRange(0, 12);
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%de-%d", mantissa, decimals);
    const auto value = parse_double(text.data());
    RC_ASSERT(value.has_value());
    RC_ASSERT(*value == std::strtod(text.data(), nullptr));
  }));
}

TEST(Number, ParsesAnyDoubleClosely) {
  EXPECT_TRUE(rc::check([](double value) {
    RC_PRE(std::isfinite(value) && (value == 0 || std::fabs(value) > 1e-300));
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.17g", value);
    const auto parsed = parse_double(text.data());
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(std::fabs(*parsed - value) <= std::fabs(value) * 4e-15);
  }));
}

TEST(Number, Refusals) {
  for (const std::string_view text :
       {"", "-", ".", "+.", "1e", "1e+", "1.2.3", "0x10", "inf", "nan", " 1", "1 ", "1e400", "--1"}) {
    EXPECT_FALSE(parse_double(text)) << text;
  }
  EXPECT_EQ(parse_double("1.").value(), 1);
  EXPECT_EQ(parse_double(".5").value(), 0.5);
  EXPECT_EQ(parse_double("1e-400").value(), 0);
  EXPECT_EQ(parse_double("0e999").value(), 0);
  EXPECT_FALSE(parse_double(std::string(65, '1')));
  for (const std::string_view text : {"", "-1", "+1", " 1", "1a", "18446744073709551616", "99999999999999999999"}) {
    EXPECT_FALSE(parse_unsigned(text)) << text;
  }
  EXPECT_EQ(parse_unsigned("18446744073709551615").value(), UINT64_MAX);
  EXPECT_FALSE(parse_u32("4294967296"));
  EXPECT_EQ(parse_signed("-9223372036854775808").value(), INT64_MIN);
  EXPECT_FALSE(parse_signed("9223372036854775808"));
}

TEST(Number, IntegersRoundTrip) {
  EXPECT_TRUE(rc::check([](std::int64_t value) {
    std::array<char, 20> out{};
    const auto size = format_signed(value, out);
    RC_ASSERT(size.has_value());
    RC_ASSERT(parse_signed({out.data(), *size}).value() == value);
  }));
}

TEST(Text, Lines) {
  LineCursor cursor("a\r\nb\n\rc");
  std::string seen;
  while (const auto line = cursor.next()) seen += "[" + std::string(*line) + "]";
  EXPECT_EQ(seen, "[a][b][][c]");
}

TEST(Text, Utf8) {
  EXPECT_TRUE(is_utf8("a\xc3\xbc\xe6\xb0\xb4\xf0\x90\x85\x91"));
  for (const std::string_view bad :
       {"\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "\xff", "\xe6\xb0"}) {
    EXPECT_FALSE(is_utf8(bad));
  }
}

}  // namespace
}  // namespace tml::wire
