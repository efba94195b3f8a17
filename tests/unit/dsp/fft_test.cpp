// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/fft.hpp"

#include <rapidcheck/gtest.h>
#include <cmath>
#include <complex>
#include <numbers>

#include "firmware/dsp/fixed_fft.hpp"
#include "firmware/dsp/log_mel.hpp"
#include "tests/unit/dsp/support.hpp"

namespace tml::fw::dsp {
namespace {

using test::noise;

std::complex<double> bin_of(std::span<const float> packed, std::size_t k) {
  if (k == 0) return static_cast<double>(packed[0]);
  if (k == packed.size() / 2) return static_cast<double>(packed[1]);
  return {static_cast<double>(packed[2 * k]), static_cast<double>(packed[2 * k + 1])};
}

// The definition, in double precision.
std::vector<std::complex<double>> direct(std::span<const float> x) {
  std::vector<std::complex<double>> turns(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    turns[i] = std::polar(1.0, -2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(x.size()));
  }
  std::vector<std::complex<double>> bins(x.size() / 2 + 1);
  for (std::size_t k = 0; k < bins.size(); ++k) {
    for (std::size_t n = 0; n < x.size(); ++n) bins[k] += static_cast<double>(x[n]) * turns[k * n % x.size()];
  }
  return bins;
}

class FftSizes : public ::testing::TestWithParam<std::size_t> {};

TEST_P(FftSizes, AgreesWithTheDefinition) {
  auto x = noise(GetParam(), 7);
  const auto want = direct(x);
  real_fft(x);
  // Error grows with the number of stages; noise of variance 1/3 gives bins of about sqrt(N / 3).
  const double bound = 3e-7 * std::sqrt(static_cast<double>(GetParam())) * std::log2(static_cast<double>(GetParam()));
  for (std::size_t k = 0; k < want.size(); ++k) ASSERT_LT(std::abs(bin_of(x, k) - want[k]), bound) << k;
}

TEST_P(FftSizes, KeepsTheEnergy) {
  auto x = noise(GetParam(), 11);
  double time = 0;
  for (const float v : x) time += static_cast<double>(v) * static_cast<double>(v);
  real_fft(x);
  double frequency = 0;
  for (std::size_t k = 0; k <= x.size() / 2; ++k) {
    frequency += std::norm(bin_of(x, k)) * (k == 0 || k == x.size() / 2 ? 1.0 : 2.0);
  }
  EXPECT_NEAR(frequency / static_cast<double>(x.size()) / time, 1.0, 1e-6);
}

TEST_P(FftSizes, PutsACosineIntoItsBin) {
  const std::size_t n = GetParam();
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = static_cast<float>(std::cos(2.0 * std::numbers::pi * 3.0 * static_cast<double>(i) / static_cast<double>(n)));
  }
  real_fft(x);
  std::vector<float> power(n / 2 + 1);
  power_spectrum(x, 1.0F, power);
  const auto half = static_cast<float>(n) / 2.0F;
  EXPECT_NEAR(power[3] / (half * half), 1.0F, 1e-5F);
  for (std::size_t k = 0; k < power.size(); ++k) {
    if (k != 3) EXPECT_LT(power[k], 1e-9F * half * half);
  }
}

TEST_P(FftSizes, OfAnImpulseIsFlatAndOfZeroIsZero) {
  std::vector<float> x(GetParam(), 0.0F);
  x[0] = 1.0F;
  real_fft(x);
  for (std::size_t k = 0; k <= x.size() / 2; ++k) EXPECT_EQ(std::abs(bin_of(x, k)), 1.0);
  std::vector<float> zero(GetParam(), 0.0F);
  real_fft(zero);
  for (const float v : zero) EXPECT_EQ(v, 0.0F);
}

INSTANTIATE_TEST_SUITE_P(Powers, FftSizes, ::testing::Values(16, 32, 64, 128, 256, 512, 1024, 2048, 4096));

// Sixteen bits: a few units of rounding on each of log4 N stages.
TEST_P(FftSizes, OfSixteenBitsAgreesWithTheDefinition) {
  const std::size_t n = GetParam();
  const auto values = noise(n, 13);
  std::vector<std::int16_t> x(n);
  std::vector<float> same(n);
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = static_cast<std::int16_t>(values[i] * 32767.0F);
    same[i] = static_cast<float>(x[i]);
  }
  const auto want = direct(same);
  fixed_fft(x);
  std::vector<float> packed(x.begin(), x.end());
  for (std::size_t k = 0; k < want.size(); ++k) {
    ASSERT_LT(std::abs(bin_of(packed, k) - want[k] / static_cast<double>(n)), 4.0) << k;
  }
}

TEST(FixedFft, ExtremesStayInRange) {
  for (const std::int16_t level : {std::int16_t{32767}, std::int16_t{-32768}}) {
    std::vector<std::int16_t> x(512, level);
    fixed_fft(x);
    EXPECT_NEAR(x[0], level, 40);
    for (std::size_t i = 1; i < x.size(); ++i) EXPECT_NEAR(x[i], 0, 4);
  }
}

// The published sizes of the front end's users and many others: the window is that of double precision.
TEST(LogMelWindow, IsRoundedAsInDoublePrecision) {
  for (std::size_t n = 2; n <= 1100; ++n) {
    std::vector<std::int16_t> shape(n);
    log_mel_window(shape);
    for (std::size_t i = 0; i < n; ++i) {
      const double angle = 2.0 * std::numbers::pi * (static_cast<double>(i) + 0.5) / static_cast<double>(n);
      const double exact = (0.5 - 0.5 * std::cos(angle)) * 4096.0;
      ASSERT_LT(std::fabs(static_cast<double>(shape[i]) - exact), 0.5 + 2e-5) << i << " of " << n;
    }
  }
}

RC_GTEST_PROP(FftProperties, IsLinear, (std::uint32_t seed)) {
  const std::size_t n = std::size_t{16} << *rc::gen::inRange(0, 7);
  const auto a = noise(n, seed);
  const auto b = noise(n, ~seed);
  const float factor = static_cast<float>(*rc::gen::inRange(-50, 50)) / 8.0F;
  auto sum = a;
  for (std::size_t i = 0; i < n; ++i) sum[i] = a[i] + factor * b[i];
  auto fa = a;
  auto fb = b;
  real_fft(fa);
  real_fft(fb);
  real_fft(sum);
  for (std::size_t i = 0; i < n; ++i) {
    RC_ASSERT(std::fabs(sum[i] - (fa[i] + factor * fb[i])) < 3e-5F * std::sqrt(static_cast<float>(n)));
  }
}

}  // namespace
}  // namespace tml::fw::dsp
