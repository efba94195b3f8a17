// SPDX-License-Identifier: Apache-2.0
#include "common/stream/clock_fit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "tests/support/arrival_model.hpp"

namespace tml::stream {
namespace {

using test::ArrivalModel;
using test::simulate;

ClockFit fitted(const ArrivalModel& model, std::uint64_t seed) {
  ClockFit fit;
  for (const test::Arrival& a : simulate(model, seed)) fit.add(a.index, a.at);
  fit.refresh();
  return fit;
}

double rate_error(const ArrivalModel& model, std::uint64_t seed) {
  const ClockFit fit = fitted(model, seed);
  if (!fit.estimate()) return 1;
  return std::fabs(fit.estimate()->rate_hz / model.rate_hz - 1);
}

std::uint64_t promised(double rate) { return std::max<std::uint64_t>(51, static_cast<std::uint64_t>(5 * rate) + 2); }

struct RateCase {
  double hz;
};
class Promise : public testing::TestWithParam<RateCase> {};

// Within 0.1 % after max(5 s, 50 readings), free-running 16 ms latency timer, random phase, a stall of 200 ms.
TEST_P(Promise, RateWithinOnePerMille) {
  int failed = 0;
  double worst = 0;
  const bool fast = GetParam().hz > 2000;
  const std::uint64_t runs = fast ? 5 : 60;
  for (std::uint64_t seed = 0; seed < runs; ++seed) {
    ArrivalModel model;
    SeededRandom random(seed ^ 0xC10C);
    model.rate_hz = GetParam().hz * (1 + (random.next_unit() - 0.5) * 0.002);
    model.readings = promised(model.rate_hz);
    model.stall_at_s = 1 + random.next_unit() * 3;
    const double error = rate_error(model, seed);
    worst = std::max(worst, error);
    if (error > 0.001) ++failed;
  }
  EXPECT_EQ(failed, 0) << "worst " << worst;
}
INSTANTIATE_TEST_SUITE_P(Rates, Promise,
                         testing::Values(RateCase{0.1}, RateCase{0.7}, RateCase{1}, RateCase{3.3}, RateCase{7},
                                         RateCase{10}, RateCase{13}, RateCase{25.6}, RateCase{52}, RateCase{100},
                                         RateCase{104}, RateCase{119}, RateCase{200}, RateCase{476}, RateCase{1000},
                                         RateCase{1600}, RateCase{6667}, RateCase{16000}, RateCase{20000}),
                         [](const auto& tested) {
                           std::string name = std::to_string(tested.param.hz);
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(ClockFit, RandomDelaysWithinOnePerMilleToo) {
  for (const double hz : {10.0, 50.0, 100.0, 400.0}) {
    int failed = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      ArrivalModel model;
      model.rate_hz = hz;
      model.random_delay = true;
      model.readings = promised(hz);
      model.stall_at_s = 2.5;
      if (rate_error(model, seed) > 0.001) ++failed;
    }
    EXPECT_EQ(failed, 0) << hz;
  }
}

// Six periods of the timer are 96 ms, the interval is 96.15 ms: arrivals hardly move against the timer, and for as long
// as they do not, no fit can know the rate better than burst / span.
TEST(ClockFit, BeatingWithTheTimerItIsBoundedAndGetsThere) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    ArrivalModel model;
    model.rate_hz = 10.4;
    model.readings = promised(model.rate_hz);
    const double span = static_cast<double>(model.readings - 1) / model.rate_hz;
    EXPECT_LT(rate_error(model, seed), model.burst_s / span) << seed;
    model.readings = 400;
    EXPECT_LT(rate_error(model, seed), 0.001) << seed;
  }
}

TEST(ClockFit, MissingReadingsFoundLateStraightenTheFit) {
  ArrivalModel model;
  model.readings = 1000;
  for (std::uint64_t i = 600; i < 650; ++i) model.lost.insert(i);
  ClockFit fit;
  std::uint64_t index = 0;
  for (const test::Arrival& a : simulate(model, 3)) fit.add(index++, a.at);
  fit.refresh();
  EXPECT_GT(std::fabs(fit.estimate()->rate_hz / model.rate_hz - 1), 0.001);
  fit.insert_missing(600, 50);
  EXPECT_LT(std::fabs(fit.estimate()->rate_hz / model.rate_hz - 1), 0.0002);
  EXPECT_EQ(fit.estimate()->readings, 1000U);
}

TEST(ClockFit, WithoutBurstsItIsExactToTheMicrosecond) {
  ArrivalModel model;
  model.burst_s = 0;
  model.host_delay_s = 0;
  model.readings = 1000;
  EXPECT_LT(rate_error(model, 1), 1e-6);
}

TEST(ClockFit, OwnErrorCoversTheTrueOneAndShrinks) {
  int covered = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    ArrivalModel model;
    model.random_delay = true;
    model.readings = 600;
    const ClockFit fit = fitted(model, seed);
    const double error = std::fabs(fit.estimate()->rate_hz / model.rate_hz - 1);
    if (error <= fit.estimate()->rate_error) ++covered;
    model.readings = 6000;
    EXPECT_LT(fitted(model, seed).estimate()->rate_error, fit.estimate()->rate_error);
  }
  EXPECT_GE(covered, 80);
}

TEST(ClockFit, JitterIsTheBurst) {
  ArrivalModel model;
  model.rate_hz = 11;
  model.readings = 500;
  EXPECT_NEAR(fitted(model, 3).estimate()->jitter_s, 0.016, 0.003);
  model.rate_hz = 1000;
  model.readings = 10'000;
  EXPECT_NEAR(fitted(model, 3).estimate()->jitter_s, 0.016, 0.004);
}

TEST(ClockFit, HoursFitIntoBoundedMemoryAndStayExact) {
  ArrivalModel model;
  model.rate_hz = 50;
  model.readings = 50 * 3600 * 2;
  EXPECT_LT(rate_error(model, 5), 2e-6);
}

TEST(ClockFit, DriftIsTheChangeFromFirstToSecondHalf) {
  ArrivalModel model;
  model.readings = 60'000;  // 600 s; the rate falls by 1 ppm per second, so the halves differ by about 300 ppm.
  model.drift_ppm_per_s = 1;
  EXPECT_NEAR(fitted(model, 2).estimate()->drift_ppm, -300, 30);
  model.drift_ppm_per_s = 0;
  EXPECT_NEAR(fitted(model, 2).estimate()->drift_ppm, 0, 20);
}

TEST(ClockFit, TimeOfIsWhenTheBoardTookIt) {
  ArrivalModel model;
  model.random_delay = true;
  model.readings = 2000;
  const auto arrivals = simulate(model, 9);
  const ClockFit fit = fitted(model, 9);
  for (std::size_t i = 0; i < arrivals.size(); i += 97) {
    const double at = std::chrono::duration<double>(fit.time_of(static_cast<double>(arrivals[i].index))).count();
    EXPECT_NEAR(at, arrivals[i].taken_s, 0.002);
  }
}

TEST(ClockFit, ContradictionNamesBothFigures) {
  ArrivalModel model;
  model.readings = 1000;
  const ClockFit fit = fitted(model, 4);
  EXPECT_TRUE(fit.check_stated(100));
  EXPECT_TRUE(fit.check_stated(101));
  const auto refused = fit.check_stated(62.5);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::usage);
  EXPECT_NE(refused.error().what.find("62.5 Hz"), std::string::npos);
  EXPECT_NE(refused.error().what.find("100"), std::string::npos) << refused.error().what;
  EXPECT_TRUE(ClockFit{}.check_stated(1));
}

TEST(StripFit, NeedsThreePointsAndIgnoresStalls) {
  EXPECT_FALSE(fit_strip({}));
  std::vector<Point> points;
  for (int i = 0; i < 100; ++i) points.push_back({static_cast<double>(i), i * 0.5 + (i % 10 == 3 ? 4.0 : 0.0)});
  const auto fit = fit_strip(points);
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->slope, 0.5, 1e-6);
  EXPECT_EQ(fit->used, 90U);
}

}  // namespace
}  // namespace tml::stream
