// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/math.hpp"

#include <cmath>
#include <numbers>

#include "tests/unit/dsp/support.hpp"

namespace tml::fw::dsp {
namespace {

// In units of float32's last place at the true value.
double ulps(float got, double want) {
  const auto near = static_cast<float>(want);
  const double unit = std::fabs(static_cast<double>(std::nextafterf(near, INFINITY)) - static_cast<double>(near));
  return std::fabs(static_cast<double>(got) - want) / unit;
}

TEST(DspMath, LogarithmIsWithinTwoUnits) {
  double worst = 0;
  for (std::uint32_t bits = 0x00800000U; bits < 0x7F800000U; bits += 9973U) {
    const auto x = std::bit_cast<float>(bits);
    const double want = std::log(static_cast<double>(x));
    worst = std::max(
        worst, std::fabs(want) < 0.1 ? std::fabs(static_cast<double>(ln(x)) - want) / 1.2e-7 / 0.1 : ulps(ln(x), want));
  }
  EXPECT_LT(worst, 2.0);
}

TEST(DspMath, LogarithmOfZeroNegativeAndSubnormalIsThatOfTheLeastNormal) {
  const float least = ln(1.17549435e-38F);
  EXPECT_EQ(ln(0.0F), least);
  EXPECT_EQ(ln(-1.0F), least);
  EXPECT_EQ(ln(1e-45F), least);
  EXPECT_EQ(ln(1.0F), 0.0F);
}

TEST(DspMath, PowerOfTwoIsWithinTwoUnits) {
  double worst = 0;
  for (float x = -126.0F; x <= 127.0F; x += 0.00137F) {
    worst = std::max(worst, ulps(exp2(x), std::exp2(static_cast<double>(x))));
  }
  EXPECT_LT(worst, 2.0);
  EXPECT_EQ(exp2(-3.0F), 0.125F);
  EXPECT_EQ(exp2(500.0F), exp2(127.0F));
  EXPECT_EQ(exp2(-500.0F), exp2(-126.0F));
}

TEST(DspMath, PowerKeepsItsBound) {
  double worst = 0;
  for (float x = 1e-3F; x < 4e9F; x *= 1.003F) {
    for (const float y : {-0.95F, -0.5F, -1.0F, -0.123F, 0.7F}) {
      const double want = std::pow(static_cast<double>(x), static_cast<double>(y));
      worst = std::max(worst, std::fabs(static_cast<double>(power(x, y)) / want - 1.0));
    }
  }
  EXPECT_LT(worst, 4e-7);
  std::printf("power: largest relative error %.3g\n", worst);
}

TEST(DspMath, TurnsAreWithinASixteenMillionth) {
  for (const std::uint32_t d : {1U, 2U, 3U, 7U, 16U, 97U, 480U, 960U, 4096U, 65535U, 1U << 20U}) {
    const std::uint32_t step = d > 5000 ? d / 4099 : 1;
    for (std::uint32_t n = 0; n < d; n += step) {
      const double angle = 2 * std::numbers::pi * n / d;
      ASSERT_NEAR(static_cast<double>(cos_turn(n, d)), std::cos(angle), 1.2e-7) << n << "/" << d;
      ASSERT_NEAR(static_cast<double>(sin_turn(n, d)), std::sin(angle), 1.2e-7) << n << "/" << d;
    }
  }
  EXPECT_EQ(cos_turn(0, 480), 1.0F);
  EXPECT_EQ(cos_turn(240, 480), -1.0F);
}

TEST(DspMath, TangentIsWithinFourUnits) {
  double worst = 0;
  for (float x = 0.001F; x < 0.4995F; x += 0.0007F) {
    worst = std::max(worst, ulps(tan_half_turns(x), std::tan(std::numbers::pi * static_cast<double>(x))));
  }
  EXPECT_LT(worst, 4.0 + 1.0 / 0.001);  // relative to the distance from the pole, where x itself is rounded
  EXPECT_NEAR(static_cast<double>(tan_half_turns(0.25F)), 1.0, 2e-7);
}

TEST(DspMath, MelScaleGoesThereAndBack) {
  EXPECT_NEAR(static_cast<double>(mel_of(1000.0F)), 999.99, 0.02);
  for (float hz = 1.0F; hz < 24000.0F; hz *= 1.07F) {
    EXPECT_NEAR(static_cast<double>(hz_of(mel_of(hz)) / hz), 1.0, 2e-4 / static_cast<double>(hz) + 3e-6);
  }
}

TEST(DspMath, FiniteSeesInfinityAndNan) {
  EXPECT_TRUE(finite(3.4e38F));
  EXPECT_FALSE(finite(INFINITY));
  EXPECT_FALSE(finite(-INFINITY));
  EXPECT_FALSE(finite(std::nanf("")));
  const float values[] = {0.0F, 1.0F, NAN};
  EXPECT_FALSE(all_finite(values));
  EXPECT_TRUE(all_finite(std::span(values).first(2)));
}

}  // namespace
}  // namespace tml::fw::dsp
