// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/statistics.hpp"

#include <rapidcheck/gtest.h>
#include <algorithm>
#include <cmath>

#include "firmware/dsp/filter.hpp"
#include "tests/unit/dsp/support.hpp"

namespace tml::fw::dsp {
namespace {

using test::noise;

TEST(DspStatistics, OfOneValue) {
  std::vector<float> column{-4.5F};
  float out[9];
  ASSERT_EQ(statistics_of(column, kAllStatistics, out), 9U);
  const float want[9] = {-4.5F, -4.5F, -4.5F, 4.5F, 0.0F, 0.0F, 0.0F, -4.5F, 0.0F};
  for (int i = 0; i < 9; ++i) EXPECT_EQ(out[i], want[i]) << i;
}

TEST(DspStatistics, OfConstantsHaveNoShape) {
  for (const float value : {0.0F, 0.1F, -1e-20F, 1e18F}) {
    std::vector<float> column(777, value);
    float out[9];
    statistics_of(column, kAllStatistics, out);
    EXPECT_EQ(out[0], value);
    EXPECT_EQ(out[4], 0.0F);
    EXPECT_EQ(out[5], 0.0F);
    EXPECT_EQ(out[6], 0.0F);
    EXPECT_EQ(out[7], value);
    EXPECT_EQ(out[8], 0.0F);
  }
}

TEST(DspStatistics, AMillionReadingsKeepSixDigits) {
  auto column = noise(1U << 20U, 3);
  for (float& v : column) v = v * 0.01F + 9.81F;
  double sum = 0;
  for (const float v : column) sum += static_cast<double>(v);
  EXPECT_NEAR(static_cast<double>(mean_of(column)), sum / static_cast<double>(column.size()), 2e-6);
}

RC_GTEST_PROP(DspStatistics, MedianIsThatOfTheSortedColumn, (std::vector<std::int16_t> whole)) {
  RC_PRE(!whole.empty());
  std::vector<float> column(whole.begin(), whole.end());
  auto sorted = column;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t half = sorted.size() / 2;
  const float want = sorted.size() % 2 != 0 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2.0F;
  RC_ASSERT(median_of(column) == want);
}

RC_GTEST_PROP(DspStatistics, ShiftAndScaleMoveWhatTheyShould, (std::uint32_t seed)) {
  auto column = noise(200, seed);
  auto moved = column;
  for (float& v : moved) v = v * 4.0F + 16.0F;
  float a[9];
  float b[9];
  statistics_of(column, kAllStatistics, a);
  statistics_of(moved, kAllStatistics, b);
  RC_ASSERT(std::fabs(b[0] - (a[0] * 4.0F + 16.0F)) < 1e-5F);
  RC_ASSERT(std::fabs(b[4] - a[4] * 4.0F) < 1e-5F);
  RC_ASSERT(std::fabs(b[5] - a[5]) < 1e-4F);
  RC_ASSERT(std::fabs(b[6] - a[6]) < 1e-4F);
  RC_ASSERT(std::fabs(b[8] - a[8] * 4.0F) < 1e-5F);
}

TEST(DspFilter, ConstantsPassALowPassAndNotAHighPass) {
  for (const std::uint32_t order : {2U, 4U, 6U, 8U}) {
    for (const float corner : {0.01F, 0.1F, 0.3F, 0.48F}) {
      std::vector<float> low(200, 9.81F);
      filter_in_place(butterworth(Filter::low_pass, order, corner), low);
      std::vector<float> high(200, 9.81F);
      filter_in_place(butterworth(Filter::high_pass, order, corner), high);
      for (std::size_t i = 0; i < low.size(); ++i) {
        ASSERT_NEAR(low[i], 9.81F, 3e-3F) << order << " at " << corner;
        ASSERT_NEAR(high[i], 0.0F, 3e-5F) << order << " at " << corner;
      }
    }
  }
}

TEST(DspFilter, HalvesThePowerAtTheCorner) {
  for (const Filter kind : {Filter::low_pass, Filter::high_pass}) {
    for (const std::uint32_t order : {2U, 4U, 6U, 8U}) {
      std::vector<float> x(8000);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(0.1F * 6.2831853F * static_cast<float>(i % 10));
      filter_in_place(butterworth(kind, order, 0.1F), x);
      double square = 0;
      for (std::size_t i = 4000; i < x.size(); ++i) square += static_cast<double>(x[i]) * static_cast<double>(x[i]);
      EXPECT_NEAR(square / 4000.0, 0.25, 1e-4) << order;
    }
  }
}

}  // namespace
}  // namespace tml::fw::dsp
