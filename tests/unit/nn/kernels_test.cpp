// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Every kernel: the reference against an independent computation, the host's against the reference, and both where the
// output lies over the input.
#include <cmath>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include "firmware/nn/check.hpp"
#include "tests/unit/nn/oracle.hpp"

namespace tml::test::nn {
namespace {

using namespace wire::model;

constexpr int kLayersPerCase = 20;

class EveryKernel : public testing::TestWithParam<int> {
 protected:
  static Kernel kernel() { return static_cast<Kernel>(GetParam()); }
  template <typename Property>
  static void for_random_layers(const Property& property) {
    EXPECT_TRUE(rc::check([&](std::uint64_t seed) {
      Entropy entropy(seed);
      for (int n = 0; n < kLayersPerCase; ++n) property(random_layer(kernel(), entropy));
    }));
  }
};

/// All but the softmax, whose specification is fixed-point: Softmax.IsNearTheRealOne.
class ExactKernel : public EveryKernel {};

TEST_P(ExactKernel, ReferenceIsTheSpecification) {
  for_random_layers([](Layer layer) {
    const auto arena = place(layer, Placement::apart);
    RC_ASSERT(run(layer, *arena, fw::nn::ref::kTable) == expected(layer));
  });
}

TEST_P(EveryKernel, FastIsTheReference) {
  for_random_layers([](Layer layer) {
    const auto arena = place(layer, Placement::apart);
    const auto reference = run(layer, *arena, fw::nn::ref::kTable);
    RC_ASSERT(reference.has_value());
    RC_ASSERT(run(layer, *arena, fw::nn::fast::kTable) == reference);
  });
}

TEST_P(EveryKernel, OverlaidIsApart) {
  for_random_layers([](Layer layer) {
    const auto apart = place(layer, Placement::apart);
    const auto reference = run(layer, *apart, fw::nn::ref::kTable);
    RC_ASSERT(reference.has_value());
    for (const Placement placement : {Placement::overlaid, Placement::overlaid_second}) {
      const auto overlaid = place(layer, placement);
      if (!overlaid) continue;
      RC_ASSERT(run(layer, *overlaid, fw::nn::ref::kTable) == reference);
      RC_ASSERT(run(layer, *overlaid, fw::nn::fast::kTable) == reference);
    }
  });
}

TEST_P(EveryKernel, TheCheckerTakesIt) {
  for_random_layers([](Layer layer) {
    for (const Placement placement : {Placement::apart, Placement::overlaid, Placement::overlaid_second}) {
      if (!place(layer, placement)) continue;
      Bytes bytes = package({layer});
      const auto opened = open(bytes);
      RC_ASSERT(text(opened.fault) == text(Fault::none));
      const auto verdict = fw::nn::check(opened.view, fw::nn::ref::kTable, kMaxArenaBytes);
      RC_ASSERT(text(verdict.fault) == text(Fault::none));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Nn, EveryKernel, testing::Range(1, static_cast<int>(kKernelCount)));
constexpr int kSoftmax = static_cast<int>(Kernel::softmax);
INSTANTIATE_TEST_SUITE_P(BeforeSoftmax, ExactKernel, testing::Range(1, kSoftmax));
INSTANTIATE_TEST_SUITE_P(BehindSoftmax, ExactKernel, testing::Range(kSoftmax + 1, static_cast<int>(kKernelCount)));

// Against exp() in double: the reference promises no more than one unit of the output's last place.
TEST(Softmax, IsNearTheRealOne) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    Entropy entropy(seed);
    Layer layer = random_layer(Kernel::softmax, entropy);
    const auto& s = layer.as<SoftmaxStep>();
    const double scale = std::ldexp(s.multiplier, s.shift - 31 - 26);
    const auto arena = place(layer, Placement::apart);
    const auto out = run(layer, *arena, fw::nn::ref::kTable);
    for (std::size_t row = 0; row < s.rows; ++row) {
      double sum = 0;
      const auto value = [&](std::size_t n) { return static_cast<std::int8_t>(layer.input[row * s.depth + n]); };
      int most = -128;
      for (std::size_t n = 0; n < s.depth; ++n) most = std::max<int>(most, value(n));
      const auto real = [&](std::size_t n) { return std::exp(scale * (value(n) - most)); };
      for (std::size_t n = 0; n < s.depth; ++n) sum += real(n);
      for (std::size_t n = 0; n < s.depth; ++n) {
        const double want = std::min(255.0, 256.0 * real(n) / sum) - 128.0;
        RC_ASSERT(std::abs(static_cast<std::int8_t>((*out)[row * s.depth + n]) - want) <= 1.0);
      }
    }
  }));
}

TEST(Softmax, KnownRows) {
  Layer layer;
  Entropy entropy(1);
  layer = random_layer(Kernel::softmax, entropy);
  auto& s = layer.as<SoftmaxStep>();
  s.rows = 2;
  s.depth = 2;
  layer.input = {127, 0x80, 5, 5};  // 127 and -128; two alike
  const auto arena = place(layer, Placement::apart);
  EXPECT_EQ(run(layer, *arena, fw::nn::ref::kTable)->at(2), 0);  // a half: 128 - 128
  EXPECT_EQ(run(layer, *arena, fw::nn::ref::kTable)->at(3), 0);
}

TEST(Quantize, WhatIsNotANumberIsTheZeroPoint) {
  Entropy entropy(1);
  Layer layer = random_layer(Kernel::quantize, entropy);
  auto& s = layer.as<QuantizeStep>();
  s.count = 4;
  s.scale = 0.5F;
  s.zero_point = 3;
  const float values[4] = {std::nanf(""), HUGE_VALF, -HUGE_VALF, 1e30F};
  layer.input.assign(reinterpret_cast<const std::uint8_t*>(values), reinterpret_cast<const std::uint8_t*>(values + 4));
  const auto arena = place(layer, Placement::apart);
  EXPECT_EQ(*run(layer, *arena, fw::nn::ref::kTable), (Bytes{3, 127, 0x80, 127}));
}

}  // namespace
}  // namespace tml::test::nn
