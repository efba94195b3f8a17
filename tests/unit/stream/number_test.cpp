// SPDX-License-Identifier: Apache-2.0
#include "common/stream/number.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tml::stream {
namespace {

TEST(ParseField, ReadsWhatEcmaScriptReads) {
  const auto is = [](std::string_view text, double value) {
    const auto parsed = parse_field(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, value) << text;
  };
  is("0", 0);
  is("-9.81", -9.81);
  is("+3", 3);
  is("5.", 5);
  is(".5", 0.5);
  is("1e3", 1000);
  is("-1.5E-3", -0.0015);
  is("007", 7);
  is("0x1F", 31);
  is("0XfF", 255);
  is("0b101", 5);
  is("0o17", 15);
  is("1e-999", 0);
  is("0." + std::string(400, '0') + "1", 0);
  is("1.7976931348623157e308", 1.7976931348623157e308);
}

TEST(ParseField, RefusesWhatIsNoFiniteNumber) {
  for (const char* text :
       {"",    "-",   "+",        ".",         "e5",  "1e",  "--1", "+-1",   "1.2.3", "12a", "a12",   "-0x10", "0x",
        "0b2", "0o8", "Infinity", "-Infinity", "inf", "nan", "NaN", "1e999", "1,2",   "1 2", "0x1p3", "1_000"}) {
    EXPECT_FALSE(parse_field(text)) << text;
  }
  EXPECT_FALSE(parse_field(std::string(400, '9')));
  EXPECT_FALSE(parse_field(std::string(600, '0')));
  EXPECT_FALSE(parse_field("0x" + std::string(300, 'F')));
}

}  // namespace
}  // namespace tml::stream
