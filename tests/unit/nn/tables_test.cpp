// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/tables.hpp"

#include <cmath>

#include <gtest/gtest.h>
#include <rapidcheck.h>

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

TEST(Tables, SoftmaxIsExp) {
  for (const float scale : {0.004F, 0.0625F, 0.1F, 0.37F, 1.5F}) {
    for (const float beta : {1.0F, 0.5F}) {
      const WordTable table = softmax_table(scale, beta);
      EXPECT_EQ(table[0], std::numeric_limits<std::int32_t>::max());
      const double unit = static_cast<double>(scale) * static_cast<double>(beta);
      for (int d = 1; d < 256; ++d) {
        // Beyond the reference's cut-off (31.x of Q5.26) entries are 0.
        const double want = std::exp(-d * unit) * 2147483648.0;
        EXPECT_NEAR(table[static_cast<std::size_t>(d)], want, 700.0) << scale << ' ' << d;
      }
    }
  }
  EXPECT_EQ(softmax_table(1.0F, 1.0F)[40], 0);
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
