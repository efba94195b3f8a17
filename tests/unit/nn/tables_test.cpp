// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/tables.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "firmware/nn/exponential.hpp"
#include "firmware/nn/fixed_point.hpp"

namespace tml::fw::nn {
namespace {

std::size_t at(int value) { return static_cast<std::size_t>(value + 128); }

TEST(Tables, QuantizeMultiplier) {
  EXPECT_EQ(quantize_multiplier(0.0).value, 0);
  EXPECT_EQ(quantize_multiplier(1.0).value, 1 << 30);
  EXPECT_EQ(quantize_multiplier(1.0).shift, 1);
  EXPECT_EQ(quantize_multiplier(0.5).shift, 0);
  EXPECT_EQ(quantize_multiplier(std::ldexp(0.5, -31)).shift, -31);
  EXPECT_EQ(quantize_multiplier(std::ldexp(0.5, -31)).value, 1 << 30);
  EXPECT_EQ(quantize_multiplier(std::ldexp(0.5, -32)).value, 0);  // flushed to zero
  // The fraction rounds up to 1: halved, and the shift is one more.
  EXPECT_EQ(quantize_multiplier(1.0 - 1e-12).value, 1 << 30);
  EXPECT_EQ(quantize_multiplier(1.0 - 1e-12).shift, 1);
  EXPECT_TRUE(rc::check([](std::uint32_t mantissa, std::uint8_t exponent) {
    const double real = std::ldexp(static_cast<double>(mantissa | 1U << 31), -32 - exponent % 28);
    const Multiplier m = quantize_multiplier(real);
    RC_ASSERT(m.value >= 1 << 30);
    RC_ASSERT(std::abs(std::ldexp(m.value, m.shift - 31) - real) <= std::ldexp(real, -30));
  }));
}

// What a softmax kernel makes of a value `difference` below its row's maximum.
std::int32_t exponential(SoftmaxScale s, int difference) {
  if (difference > s.limit) return 0;
  return exp_of_negative(high_mul(wrap_shift_left(-difference, s.shift), s.multiplier), 5);
}

TEST(Tables, SoftmaxIsExp) {
  for (const float scale : {0.004F, 0.0625F, 0.1F, 0.37F, 1.5F}) {
    for (const float beta : {1.0F, 0.5F}) {
      const SoftmaxScale s = softmax_scale(scale, beta);
      EXPECT_GE(s.multiplier, 1 << 30);
      EXPECT_EQ(exponential(s, 0), std::numeric_limits<std::int32_t>::max());
      const double unit = static_cast<double>(scale) * static_cast<double>(beta);
      for (int d = 1; d < 256; ++d) {
        // Beyond the reference's cut-off (31.x of Q5.26) it is 0.
        const double want = std::exp(-d * unit) * 2147483648.0;
        EXPECT_NEAR(exponential(s, d), want, 700.0) << scale << ' ' << d;
      }
    }
  }
  EXPECT_EQ(softmax_scale(1.0F, 1.0F).limit, 15);  // 31 units of 2^26, shifted by 27
  EXPECT_EQ(softmax_scale(0.01F, 1.0F).limit, 255);
  EXPECT_EQ(softmax_scale(1e9F, 1.0F).limit, 0);
}

// The same with every rounding in exact arithmetic: divisions of 128-bit products, as gemmlowp's fixedpoint.h has them.
TEST(Tables, ExpIsThatOfTheReference) {
  const auto half_away = [](__int128 x, int bits) {
    const __int128 half = __int128{1} << (bits - 1);
    return static_cast<std::int64_t>(x >= 0 ? (x + half) >> bits : -((-x + half) >> bits));
  };
  // SaturatingRoundingDoublingHighMul() truncates (product + nudge) / 2^31, nudge 2^30 or 1 - 2^30.
  const auto product = [](std::int64_t a, std::int64_t b) {
    const __int128 ab = static_cast<__int128>(a) * b;
    return static_cast<std::int64_t>((ab + (ab >= 0 ? std::int64_t{1} << 30 : 1 - (std::int64_t{1} << 30))) /
                                     (std::int64_t{1} << 31));
  };
  const std::int64_t powers[] = {1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242};
  EXPECT_TRUE(rc::check([&](std::uint32_t bits) {
    const auto a = -static_cast<std::int64_t>(bits >> 1);
    RC_PRE(a != 0 && a != -(std::int64_t{1} << 31));
    const std::int64_t quarter = 1 << 24;
    const std::int64_t part = (a & (quarter - 1)) - quarter;
    const std::int64_t x = part * 32 + (1 << 28);
    const std::int64_t x2 = product(x, x);
    const std::int64_t x3 = product(x2, x);
    const std::int64_t x4 = half_away(product(x2, x2), 2);
    const std::int64_t higher = half_away(product(x4 + x3, 715827883) + x2, 1);
    std::int64_t want = 1895147668 + product(1895147668, x + higher);
    for (int n = 0; n < 7; ++n)
      if ((((part - a) >> (24 + n)) & 1) != 0) want = product(want, powers[n]);
    RC_ASSERT(exp_of_negative(static_cast<std::int32_t>(a), 5) == want);
  }));
}

TEST(Tables, LogisticAndTanhAreNearTheRealOnes) {
  for (const float scale : {0.01F, 0.047F, 0.0625F, 0.2F, 1.0F}) {
    for (const int zero : {-128, -3, 0, 127}) {
      const ByteTable logistic = logistic_table({scale, zero});
      const ByteTable tanh = tanh_table({scale, zero});
      for (int value = -128; value < 128; ++value) {
        const double x = static_cast<double>(scale) * (value - zero);
        EXPECT_NEAR(logistic[at(value)], std::clamp(256.0 / (1.0 + std::exp(-x)) - 128.0, -128.0, 127.0), 0.51 + 1e-3);
        EXPECT_NEAR(tanh[at(value)], std::clamp(128.0 * std::tanh(x), -128.0, 127.0), 0.51 + 1e-3);
      }
    }
  }
}

TEST(Tables, ReluRescales) {
  const ByteTable same = relu_table({0.1F, -20}, {0.1F, -20});
  EXPECT_EQ(same[at(-128)], -20);
  EXPECT_EQ(same[at(-20)], -20);
  EXPECT_EQ(same[at(100)], 100);
  const ByteTable doubled = relu_table({0.2F, 0}, {0.1F, -128});
  EXPECT_EQ(doubled[at(-5)], -128);
  EXPECT_EQ(doubled[at(10)], -108);
  EXPECT_EQ(doubled[at(127)], 126);
}

TEST(Tables, Relu6ClampsWithoutRescaling) {
  const ByteTable table = relu6_table({0.1F, -10});
  EXPECT_EQ(table[at(-11)], -10);
  EXPECT_EQ(table[at(20)], 20);
  EXPECT_EQ(table[at(51)], 50);
  const ByteTable wide = relu6_table({0.01F, 0});
  EXPECT_EQ(wide[at(127)], 127);
}

TEST(Tables, RequantizeRoundsAndSaturates) {
  const ByteTable same = requantize_table({0.3F, 7}, {0.3F, 7});
  for (int value = -128; value < 128; ++value) EXPECT_EQ(same[at(value)], value);
  const ByteTable halved = requantize_table({0.1F, 0}, {0.2F, 0});
  EXPECT_EQ(halved[at(3)], 2);    // 1.5, up
  EXPECT_EQ(halved[at(-3)], -1);  // -1.5, up: the doubling product rounds halves up, and there is no shift after it
  const ByteTable grown = requantize_table({1.0F, 0}, {0.25F, -128});
  EXPECT_EQ(grown[at(-128)], -128);
  EXPECT_EQ(grown[at(127)], 127);
}

}  // namespace
}  // namespace tml::fw::nn
