// SPDX-License-Identifier: Apache-2.0
#include "common/stream/line_clock.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/support/arrival_model.hpp"

namespace tml::stream {
namespace {

using test::Arrival;
using test::ArrivalModel;

struct Outcome {
  std::vector<std::uint64_t> index;  // Of each arrival, in order.
  std::vector<Gap> gaps;
  std::vector<Stall> stalls;
  std::vector<RateChange> changes;
  bool resolvable = false;
  std::uint64_t hidden = 0;
  [[nodiscard]] std::uint64_t missing() const {
    std::uint64_t sum = 0;
    for (const Gap& gap : gaps) sum += gap.count;
    return sum;
  }
};

Outcome run(const std::vector<Arrival>& arrivals) {
  LineClock clock;
  Outcome out;
  const auto sink = [&out](const LineClockEvent& event) {
    switch (event.kind) {
      case LineClockEvent::Kind::placed:
        ASSERT_EQ(event.slot, out.index.size());
        if (!out.index.empty()) ASSERT_GT(event.index, out.index.back());
        out.index.push_back(event.index);
        break;
      case LineClockEvent::Kind::gap:
        out.gaps.push_back(event.gap);
        break;
      case LineClockEvent::Kind::stall:
        out.stalls.push_back(event.stall);
        break;
      case LineClockEvent::Kind::rate_change:
        out.changes.push_back(event.change);
        break;
    }
  };
  for (std::size_t i = 0; i < arrivals.size(); ++i) {
    clock.add(arrivals[i].at);
    if (i + 1 == arrivals.size() || arrivals[i + 1].at != arrivals[i].at) clock.settle(sink);
  }
  clock.finish(sink);
  EXPECT_EQ(out.index.size(), arrivals.size());
  out.resolvable = clock.resolvable();
  out.hidden = clock.hidden_bound();
  return out;
}

ArrivalModel slow() {
  ArrivalModel model;
  model.rate_hz = 11.3;
  model.readings = 400;
  return model;
}

TEST(LineClock, PlacesLossesExactlyWhereTheIntervalExceedsTwiceTheJitter) {
  ArrivalModel model = slow();
  model.lost = {40, 41, 42, 100, 250, 252, 300};
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto arrivals = simulate(model, seed);
    const Outcome out = run(arrivals);
    ASSERT_TRUE(out.resolvable);
    ASSERT_EQ(out.missing(), 7U) << seed;
    for (std::size_t i = 0; i < arrivals.size(); ++i) ASSERT_EQ(out.index[i], arrivals[i].index) << seed << " " << i;
    for (const Gap& gap : out.gaps) EXPECT_TRUE(gap.resolved);
    EXPECT_TRUE(out.changes.empty());
  }
}

TEST(LineClock, PlacesLossesWhileItStillLearns) {
  ArrivalModel model = slow();
  model.lost = {3};
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto arrivals = simulate(model, seed);
    const Outcome out = run(arrivals);
    ASSERT_EQ(out.missing(), 1U) << seed;
    EXPECT_EQ(out.index.back(), arrivals.back().index);
    EXPECT_EQ(out.index[3], 4U);
  }
}

TEST(LineClock, AStallIsNoLoss) {
  for (const double hz : {2.0, 11.3, 25.0, 100.0, 1000.0}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      ArrivalModel model;
      model.rate_hz = hz;
      model.readings = static_cast<std::uint64_t>(std::max(10 * hz, 100.0));
      model.stall_at_s = 4.03;
      const Outcome out = run(simulate(model, seed));
      EXPECT_EQ(out.missing(), 0U) << hz << " " << seed;
      EXPECT_TRUE(out.changes.empty()) << hz << " " << seed;
      if (hz > 9 && hz < 20) EXPECT_EQ(out.stalls.size(), 1U);
    }
  }
}

TEST(LineClock, ABusySenderAtAHighRateIsNoLoss) {
  // A loaded machine: for tens of milliseconds each line is late by more than an interval, then all is as before.
  for (const double hz : {250.0, 1000.0, 3000.0}) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      SeededRandom random(seed);
      std::vector<Arrival> arrivals;
      double busy_until = 0;
      double busy_from = 0;
      double last = 0;
      const auto count = static_cast<std::uint64_t>(20 * hz);
      for (std::uint64_t i = 0; i < count; ++i) {
        const double taken = static_cast<double>(i) / hz;
        if (taken > busy_until) {
          busy_from = taken + 0.1 + 0.4 * random.next_unit();
          busy_until = busy_from + 0.02 + 0.04 * random.next_unit();
        }
        double delay = 20e-6 * random.next_unit();
        // Not at the very end, where nothing follows that tells.
        if (taken >= busy_from && taken < 19.5) delay += 1.2 / hz + 0.8e-3 * random.next_unit();
        last = std::max(last, taken + delay);
        arrivals.push_back({i, from_seconds(1 + last), taken, false});
      }
      const Outcome out = run(arrivals);
      EXPECT_EQ(out.missing(), 0U) << hz << " " << seed;
      EXPECT_TRUE(out.changes.empty()) << hz << " " << seed;
    }
  }
}

TEST(LineClock, ASlowBeatWithTheBridgesTimerIsNoLoss) {
  for (const double lines : {3.0, 8.0, 23.0, 48.0}) {
    for (const double off : {-0.02, -0.008, -0.003, -0.001, 0.002}) {
      ArrivalModel model;
      model.rate_hz = 62.5 * (lines + off);
      model.readings = static_cast<std::uint64_t>(40 * model.rate_hz);
      const Outcome none = run(simulate(model, 1));
      EXPECT_EQ(none.missing(), 0U) << model.rate_hz;
      for (std::uint64_t i = 0; i < 10; ++i) model.lost.insert(model.readings / 2 + i);
      const Outcome some = run(simulate(model, 1));
      EXPECT_NEAR(static_cast<double>(some.missing()), 10, 1) << model.rate_hz;
      std::uint64_t bound = some.hidden;
      for (const Gap& gap : some.gaps) bound += gap.upper_bound;
      EXPECT_GE(bound, 10U) << model.rate_hz;
    }
  }
}

TEST(LineClock, AnotherRateIsNeitherLossNorStall) {
  struct Case {
    double from, to;
  };
  for (const Case c : {Case{10.3, 8.1}, Case{10.3, 5.15}, Case{10.3, 13.1}, Case{5, 10}, Case{100, 90}, Case{1000, 900},
                       Case{1000, 1250}, Case{0.5, 0.25}}) {
    int right = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      ArrivalModel model;
      model.rate_hz = c.from;
      model.new_rate_hz = c.to;
      model.rate_change_at = static_cast<std::uint64_t>(std::max(10 * c.from, 100.0));
      model.readings = *model.rate_change_at + static_cast<std::uint64_t>(std::max(10 * c.to, 100.0));
      const Outcome out = run(simulate(model, seed));
      const bool found = !out.changes.empty() && std::fabs(out.changes.back().new_hz / c.to - 1) < 0.02;
      if (found && out.missing() <= 1) ++right;
    }
    EXPECT_GE(right, 19) << c.from << " -> " << c.to;
  }
}

TEST(LineClock, ABlockLostAtAHighRateIsSeenAndBounded) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    ArrivalModel model;
    model.rate_hz = 1000;
    model.readings = 12'000;
    for (std::uint64_t i = 6000; i < 6100; ++i) model.lost.insert(i);
    const Outcome out = run(simulate(model, seed));
    EXPECT_FALSE(out.resolvable);
    ASSERT_FALSE(out.gaps.empty()) << seed;
    EXPECT_NEAR(static_cast<double>(out.missing()), 100, 2) << seed;
    EXPECT_FALSE(out.gaps.front().resolved);
    EXPECT_LE(out.gaps.front().earliest, 6000U);
    EXPECT_GE(out.gaps.front().first, 5990U);
    EXPECT_LT(out.gaps.front().first, 6700U);
    std::uint64_t bound = out.hidden;
    for (const Gap& gap : out.gaps) bound += gap.upper_bound;
    EXPECT_GE(bound, 100U);
  }
}

TEST(LineClock, NothingIsHeldForeverAndFewLinesAreFine) {
  EXPECT_TRUE(run({}).index.empty());
  for (std::uint64_t n = 1; n < 12; ++n) {
    ArrivalModel model = slow();
    model.readings = n;
    EXPECT_EQ(run(simulate(model, n)).missing(), 0U) << n;
  }
}

TEST(LineClock, DriftIsFollowed) {
  ArrivalModel model;
  model.rate_hz = 10;
  model.readings = 20'000;
  model.drift_ppm_per_s = 0.2;  // 400 ppm over 2,000 s.
  model.lost = {15'000};
  const auto arrivals = simulate(model, 8);
  const Outcome out = run(arrivals);
  EXPECT_EQ(out.missing(), 1U);
  EXPECT_EQ(out.index.back(), arrivals.back().index);
}

}  // namespace
}  // namespace tml::stream
