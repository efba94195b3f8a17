// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/line_timer.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "common/base/random.hpp"

namespace tml::fw::native {
namespace {

using namespace std::chrono_literals;
using Time = LineTimer::Time;

// A sender that keeps the queue full, woken at irregular times; returns the share of the line rate it got.
double share(std::uint32_t rate, Time min_gap, Time max_gap) {
  LineTimer timer(rate);
  SeededRandom random(rate);
  Time now = 1s;
  EXPECT_EQ(timer.take(now, 4096), 0U);
  std::uint64_t sent = 0;
  while (now < 31s) {
    now +=
        min_gap + Time(static_cast<Time::rep>(random.next_unit() * static_cast<double>((max_gap - min_gap).count())));
    sent += timer.take(now, 4096);
  }
  return static_cast<double>(sent) * 10 / rate / std::chrono::duration<double>(now - 1s).count();
}

TEST(LineTimer, KeepsTheRateThroughLateWakeUps) {
  for (const std::uint32_t rate : {9600U, 115200U, 921600U, 1'000'000U, 3'000'000U, 12'000'000U}) {
    EXPECT_GE(share(rate, 100us, 1500us), 0.99) << rate;
    EXPECT_LE(share(rate, 100us, 1500us), 1.0) << rate;
    EXPECT_GE(share(rate, 1ms, 3ms), 0.99) << rate;
  }
}

TEST(LineTimer, AByteTakesTenBits) {
  LineTimer timer(10'000);
  EXPECT_EQ(timer.take(5s, 3), 0U);
  EXPECT_EQ(timer.due(1), 5s + 1ms);
  EXPECT_EQ(timer.due(3), 5s + 3ms);
  EXPECT_EQ(timer.take(5s + 999us, 3), 0U);
  EXPECT_EQ(timer.take(5s + 1ms, 3), 1U);
  EXPECT_EQ(timer.take(5s + 3ms, 2), 2U);
}

TEST(LineTimer, AnIdleLineSavesNothingUp) {
  LineTimer timer(10'000);
  EXPECT_EQ(timer.take(1s, 1), 0U);
  EXPECT_EQ(timer.take(1s + 1ms, 1), 1U);
  EXPECT_EQ(timer.take(2s, 0), 0U);
  EXPECT_EQ(timer.take(3s, 100), 0U);
  EXPECT_EQ(timer.take(3s + 10ms, 100), 10U);
}

TEST(LineTimer, WhatIsSuppliedInThePassInWhichTheLineRanDryIsInTime) {
  LineTimer timer(10'000);
  EXPECT_EQ(timer.take(1s, 5), 0U);
  EXPECT_EQ(timer.take(1s + 8ms, 5), 5U);  // dry since 5 ms
  EXPECT_EQ(timer.take(1s + 8ms, 5), 3U);  // supplied now, counted from 5 ms on
}

TEST(LineTimer, AfterAStallOfTheProcessItCatchesUpInSmallBursts) {
  LineTimer timer(1'000'000);  // 100 bytes per ms
  EXPECT_EQ(timer.take(1s, 100'000), 0U);
  const std::size_t first = timer.take(1s + 50ms, 100'000);
  EXPECT_LE(first, 400U);
  EXPECT_LE(timer.take(1s + 51ms, 100'000), 400U);
}

TEST(LineTimer, AStallHoldsEverything) {
  LineTimer timer(115200);
  EXPECT_EQ(timer.take(1s, 10), 0U);
  timer.stall(2s);
  EXPECT_EQ(timer.take(1s + 900ms, 10), 0U);
  EXPECT_GT(timer.due(1), 2s);
  EXPECT_EQ(timer.take(2s + 1ms, 10), 10U);
}

TEST(LineTimer, WithoutAModelEverythingIsDue) {
  LineTimer timer(0);
  EXPECT_EQ(timer.take(1s, 123'456), 123'456U);
  timer.stall(3s);
  EXPECT_EQ(timer.take(2s, 10), 0U);
  EXPECT_EQ(timer.take(3s, 10), 10U);
}

RC_GTEST_PROP(LineTimer, NeverSendsFasterThanTheLine, (const std::vector<std::uint16_t>& gaps_us)) {
  const auto rate = *rc::gen::inRange<std::uint32_t>(300, 4'000'000);
  LineTimer timer(rate);
  Time now = 1s;
  RC_ASSERT(timer.take(now, 1000) == 0U);
  std::uint64_t sent = 0;
  for (const std::uint16_t gap : gaps_us) {
    now += std::chrono::microseconds(gap);
    sent += timer.take(now, 1000);
    const double seconds = std::chrono::duration<double>(now - 1s).count();
    RC_ASSERT(static_cast<double>(sent) <= seconds * rate / 10 + 1e-6);
  }
}

}  // namespace
}  // namespace tml::fw::native
