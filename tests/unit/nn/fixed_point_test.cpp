// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/fixed_point.hpp"

#include <cmath>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include "tests/unit/nn/oracle.hpp"

namespace tml::fw::nn {
namespace {

constexpr std::int32_t kMin = std::numeric_limits<std::int32_t>::min();
constexpr std::int32_t kMax = std::numeric_limits<std::int32_t>::max();

// Worked by hand from the definitions in gemmlowp's fixedpoint.h.
static_assert(high_mul(kMin, kMin) == kMax);
static_assert(high_mul(kMin, kMax) == -kMax);
static_assert(high_mul(kMax, kMax) == kMax - 1);
static_assert(high_mul(1, 1 << 30) == 1);   // a half goes up
static_assert(high_mul(-1, 1 << 30) == 0);  // minus a half goes up too
static_assert(high_mul(3, 1 << 30) == 2 && high_mul(-3, 1 << 30) == -1);
static_assert(divide_by_power(5, 1) == 3 && divide_by_power(-5, 1) == -3);  // halves go away from zero
static_assert(divide_by_power(7, 0) == 7 && divide_by_power(kMin, 31) == -1 && divide_by_power(kMax, 31) == 1);
static_assert(divide_by_power(1 << 30, 31) == 1 && divide_by_power((1 << 30) - 1, 31) == 0);
static_assert(divide_by_power(-(1 << 30), 31) == -1 && divide_by_power(-(1 << 30) + 1, 31) == 0);
static_assert(multiply_by_power((1 << 30), 1) == kMax && multiply_by_power(-(1 << 30), 1) == kMin);
static_assert(multiply_by_power((1 << 30) - 1, 1) == kMax - 1);
static_assert(scale_fixed(100, 1 << 30, 1) == 100 && scale_fixed(100, 1 << 30, 0) == 50);
static_assert(scale_fixed(100, 0, -31) == 0);
static_assert(clamp_to(300, -128, 127) == 127 && clamp_to(-300, -128, 127) == -128 && clamp_to(3, 5, 9) == 5);
// Shift bytes: -1 no shift, 0 right by 1, 30 right by 31, -2 left by 1.
static_assert(requantise(100, 1 << 30, -1, 0, -128, 127) == 50 && requantise(100, 1 << 30, 0, 0, -128, 127) == 25);
static_assert(requantise(30, 1 << 30, -2, 0, -128, 127) == 30 && requantise(kMax, kMax, 30, 0, -128, 127) == 1);

TEST(FixedPoint, ScalesAsFractionsDo) {
  EXPECT_TRUE(rc::check([](std::int32_t x, std::uint32_t m, std::int8_t s) {
    const auto multiplier = static_cast<std::int32_t>(m >> 1);
    const int shift = s % 32;
    RC_ASSERT(scale_fixed(x, multiplier, shift) == tml::test::nn::scaled(x, multiplier, shift));
  }));
}

TEST(FixedPoint, ReciprocalIsNear) {
  for (std::int64_t x = 0; x <= kMax; x += 9973 * 31) {
    const double want = 2147483648.0 / (1.0 + static_cast<double>(x) / 2147483648.0);
    EXPECT_NEAR(one_over_one_plus(static_cast<std::int32_t>(x)), want, 16.0) << x;
  }
}

}  // namespace
}  // namespace tml::fw::nn
