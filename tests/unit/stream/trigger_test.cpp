// SPDX-License-Identifier: Apache-2.0
#include "common/stream/trigger.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <array>
#include <cmath>

namespace tml::stream {
namespace {

const std::array<std::string, 3> kAxes = {"accX", "accY", "temp [C]"};

bool fires(std::string_view text, std::array<double, 3> values) {
  const auto trigger = Trigger::compile(text, kAxes);
  EXPECT_TRUE(trigger) << (trigger ? "" : trigger.error().message());
  return trigger && trigger->fires(values);
}

TEST(Trigger, Examples) {
  EXPECT_TRUE(fires("abs(accX)>15 && accY<2", {-16, 1, 0}));
  EXPECT_FALSE(fires("abs(accX)>15 && accY<2", {-16, 3, 0}));
  EXPECT_TRUE(fires("accX > 1 || accY > 1 && accX > 5", {2, 0, 0}));
  EXPECT_FALSE(fires("(accX > 1 || accY > 1) && accX > 5", {2, 0, 0}));
  EXPECT_TRUE(fires("!(accX == 1)", {2, 0, 0}));
  EXPECT_TRUE(fires("sqrt(accX*accX + accY*accY) >= 5", {3, 4, 0}));
  EXPECT_TRUE(fires("max(accX, accY, 7) == 7 && min(accX,accY) != 7", {3, 4, 0}));
  EXPECT_TRUE(fires("`temp [C]` > 2e1", {0, 0, 21}));
  EXPECT_TRUE(fires("accX - 1 - 1 == 1 && 8 / 2 / 2 == 2 && -accX < 0 && 1+2*3 == 7", {3, 0, 0}));
  EXPECT_TRUE(fires("accX == 0x10", {16, 0, 0}));
  EXPECT_FALSE(fires("1/accX > 0 || 1/accX <= 0 || 1/accX != 0", {0, 0, 0}));
}

TEST(Trigger, ErrorsSayWhereAndWhat) {
  struct Case {
    const char* text;
    const char* where;
    const char* part;
  };
  for (const Case& c : std::initializer_list<Case>{{"", "column 1", "ends"},
                                                   {"accX", "column 1", "condition"},
                                                   {"accX >", "column 7", "ends"},
                                                   {"accZ > 1", "column 1", "no axis 'accZ'"},
                                                   {"accX > 1 &&", "column 12", "ends"},
                                                   {"accX > 1 && accY", "column 12", "condition"},
                                                   {"accX = 1", "column 6", "unexpected '='"},
                                                   {"1 < accX < 3", "column 11", "chained"},
                                                   {"foo(accX) > 1", "column 1", "no function"},
                                                   {"abs(accX > 1", "column 10", "missing"},
                                                   {"(accX > 1", "column 10", "missing"},
                                                   {"accX > 1)", "column 9", "unexpected ')'"},
                                                   {"accX > 1x", "column 8", "not a number"},
                                                   {"`accX > 1", "column 1", "backquote"},
                                                   {"(accX > 1) + 1 > 0", "column 1", "number"}}) {
    const auto trigger = Trigger::compile(c.text, kAxes);
    ASSERT_FALSE(trigger) << c.text;
    EXPECT_EQ(trigger.error().code, Errc::usage);
    EXPECT_EQ(trigger.error().where, c.where) << c.text << ": " << trigger.error().what;
    EXPECT_NE(trigger.error().what.find(c.part), std::string::npos) << c.text << ": " << trigger.error().what;
  }
  EXPECT_FALSE(Trigger::compile(std::string(200, '(') + "accX>1" + std::string(200, ')'), kAxes));
  EXPECT_FALSE(Trigger::compile(std::string(200, '-') + "accX>1", kAxes));
  EXPECT_FALSE(Trigger::compile(std::string(2000, ' '), kAxes));
}

TEST(Trigger, AgreesWithC) {
  EXPECT_TRUE(rc::check([](int a, int b, int limit) {
    const std::string text = "accX*2 - accY > " + std::to_string(limit % 1000) + " || accX < accY";
    const double x = a % 1000;
    const double y = b % 1000;
    if (limit < 0) return;
    RC_ASSERT(fires(text, {x, y, 0}) == (x * 2 - y > limit % 1000 || x < y));
  }));
}

}  // namespace
}  // namespace tml::stream
