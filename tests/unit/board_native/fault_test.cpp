// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/fault.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace tml::fw::native {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(FaultSpec, ReadsEveryKindOfItem) {
  const auto plan = parse_fault_spec(
      "drop=1e-4,rx.corrupt=0.5,tx.dup=1,delay=1e-3:50ms,unplug=every:20s:1s,reset=at:5s,reset=every:2min");
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_DOUBLE_EQ(plan->tx.drop, 1e-4);
  EXPECT_DOUBLE_EQ(plan->rx.drop, 1e-4);
  EXPECT_DOUBLE_EQ(plan->tx.corrupt, 0);
  EXPECT_DOUBLE_EQ(plan->rx.corrupt, 0.5);
  EXPECT_DOUBLE_EQ(plan->tx.dup, 1);
  EXPECT_DOUBLE_EQ(plan->rx.dup, 0);
  EXPECT_EQ(plan->rx.delay_for, 50ms);
  ASSERT_EQ(plan->timed.size(), 3U);
  EXPECT_EQ(plan->timed[0].kind, TimedFault::Kind::unplug);
  EXPECT_EQ(plan->timed[0].period, 20s);
  EXPECT_EQ(plan->timed[0].down, 1s);
  EXPECT_EQ(plan->timed[1].first, 5s);
  EXPECT_EQ(plan->timed[1].period, 0s);
  EXPECT_EQ(plan->timed[2].period, 2min);
}

TEST(FaultSpec, FaultsOfReadingsAreThoseOfLinesAndFrames) {
  const auto plan = parse_fault_spec("lose-line=0.25,bad-line=1e-3,stall=0.5:40ms");
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_TRUE(plan->readings.any());
  EXPECT_DOUBLE_EQ(plan->readings.lose, 0.25);
  EXPECT_DOUBLE_EQ(plan->readings.bad, 1e-3);
  EXPECT_DOUBLE_EQ(plan->readings.stall, 0.5);
  EXPECT_EQ(plan->readings.stall_for, 40ms);
  EXPECT_FALSE(parse_fault_spec("drop=0.1")->readings.any());
}

TEST(Duration, Units) {
  EXPECT_EQ(parse_duration("1.5s"), 1500ms);
  EXPECT_EQ(parse_duration("300us"), 300us);
  EXPECT_EQ(parse_duration("2min"), 120s);
  for (const char* const bad : {"", "5", "s", "-1s", "1h", "1 s", "9e9min"}) EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(FaultSpec, NamesTheItemThatIsWrong) {
  for (const auto& [spec, token, reason] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {"drop=0.1,explode=1", "explode=1", "unknown fault"},
           {"drop=2", "drop=2", "probability"},
           {"drop=nan", "drop=nan", "probability"},
           {"drop=0.1:5ms", "drop=0.1:5ms", "only a probability"},
           {"", "''", "unknown fault"},
           {"drop=0.1,", "''", "unknown fault"},
           {"delay=0.1", "delay=0.1", "duration"},
           {"delay=0.1:50", "delay=0.1:50", "duration"},
           {"delay=0.1:-5ms", "delay=0.1:-5ms", "duration"},
           {"unplug=every:5s", "unplug=every:5s", "how long"},
           {"unplug=every:5s:5s", "unplug=every:5s:5s", "longer than the period"},
           {"unplug=sometimes:5s:1s", "unplug=sometimes:5s:1s", "at:TIME"},
           {"reset=every:0s", "reset=every:0s", "longer than 0"},
           {"reset=at:5s:1s", "reset=at:5s:1s", "only a time"},
           {"lose-line=2", "lose-line=2", "probability"},
           {"bad-line=0.1:5ms", "bad-line=0.1:5ms", "only a probability"},
           {"stall=0.1", "stall=0.1", "duration"},
           {"tx.stall=0.1:5ms", "tx.stall=0.1:5ms", "unknown fault"},
           {"tx.reset=at:5s", "tx.reset=at:5s", "unknown fault"}}) {
    const auto plan = parse_fault_spec(spec);
    ASSERT_FALSE(plan) << spec;
    EXPECT_EQ(plan.error().code, Errc::usage);
    EXPECT_THAT(plan.error().message(), HasSubstr(token)) << spec;
    EXPECT_THAT(plan.error().message(), HasSubstr(reason)) << spec;
  }
}

std::string run(ByteFaultInjector& injector, std::size_t bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes; ++i) {
    const auto outcome = injector.apply(static_cast<std::uint8_t>(i));
    out.append(outcome.bytes.begin(), outcome.bytes.begin() + static_cast<std::ptrdiff_t>(outcome.count));
  }
  return out;
}

TEST(ByteFaults, TheSameSeedDoesTheSame) {
  const ByteFaults faults{.drop = 0.1, .corrupt = 0.1, .dup = 0.1, .delay = 0.01, .delay_for = 1ms};
  ByteFaultInjector first(faults, 7);
  ByteFaultInjector second(faults, 7);
  ByteFaultInjector other(faults, 8);
  const std::string expected = run(first, 5000);
  EXPECT_EQ(run(second, 5000), expected);
  EXPECT_NE(run(other, 5000), expected);
  EXPECT_EQ(first.counts().total(), second.counts().total());
}

TEST(ByteFaults, AddingOneKindLeavesTheOthersWhereTheyWere) {
  ByteFaultInjector drops({.drop = 0.05}, 3);
  ByteFaultInjector both({.drop = 0.05, .corrupt = 0.5, .delay = 0.5}, 3);
  for (int i = 0; i < 2000; ++i) EXPECT_EQ(drops.apply(1).count, both.apply(1).count) << i;
}

TEST(ByteFaults, RatesAreThoseAskedForAndCounted) {
  ByteFaultInjector injector({.drop = 0.2, .corrupt = 0.1}, 11);
  const std::string out = run(injector, 100'000);
  EXPECT_EQ(out.size(), 100'000 - injector.counts().dropped);
  EXPECT_NEAR(static_cast<double>(injector.counts().dropped), 20'000, 600);
  EXPECT_NEAR(static_cast<double>(injector.counts().corrupted), 8'000, 400);
}

TEST(ByteFaults, AFlipIsOneBit) {
  const auto plan = parse_fault_spec("tx.flip=1,rx.flip=0.5");
  ASSERT_TRUE(plan);
  EXPECT_DOUBLE_EQ(plan->rx.flip, 0.5);
  ByteFaultInjector injector(plan->tx, 3);
  for (int i = 0; i < 256; ++i) {
    const auto byte = static_cast<std::uint8_t>(i);
    EXPECT_EQ(__builtin_popcount(static_cast<unsigned>(injector.apply(byte).bytes[0] ^ byte)), 1);
  }
  EXPECT_EQ(injector.counts().flipped, 256U);
}

TEST(ByteFaults, AnotherInjectorGoesOnWhereThisOneStopped) {
  const ByteFaults faults{.drop = 0.05, .corrupt = 0.1, .flip = 0.1, .dup = 0.05};
  ByteFaultInjector whole(faults, 7);
  run(whole, 1000);
  ByteFaultInjector after(faults, 7);
  after.resume(whole.bytes(), whole.counts());
  EXPECT_EQ(after.counts().total(), whole.counts().total());
  EXPECT_EQ(run(after, 1000), run(whole, 1000));
}

TEST(FaultSpec, BadSectorsAreNamedByAnyOffsetInThem) {
  const auto plan = parse_fault_spec("flash-bad=0x041FFF,flash-bad=8192");
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->bad_sectors, (std::vector<std::uint32_t>{0x041000, 0x002000}));
  for (const char* const wrong : {"flash-bad=", "flash-bad=x", "flash-bad=-1", "flash-bad=0x", "tx.flash-bad=0"})
    EXPECT_FALSE(parse_fault_spec(wrong)) << wrong;
}

RC_GTEST_PROP(ByteFaults, ACorruptByteIsNeverTheSameByte, (std::uint64_t seed, std::uint8_t byte)) {
  ByteFaultInjector injector({.corrupt = 1}, seed);
  RC_ASSERT(injector.apply(byte).bytes[0] != byte);
}

RC_GTEST_PROP(FaultSpec, AnyTextIsReadOrRefused, (const std::string& spec)) {
  const auto plan = parse_fault_spec(spec);
  if (!plan) RC_ASSERT(plan.error().code == Errc::usage);
}

TEST(FaultSchedule, UnplugIsFollowedByReplugAndComesAgain) {
  const auto plan = parse_fault_spec("unplug=every:20s:1s,reset=at:30s");
  ASSERT_TRUE(plan);
  FaultSchedule schedule(plan->timed);
  using Event = FaultSchedule::Event;
  const std::vector<std::pair<std::chrono::nanoseconds, Event>> expected{{20s, Event::unplug}, {21s, Event::replug},
                                                                         {30s, Event::reset},  {40s, Event::unplug},
                                                                         {41s, Event::replug}, {60s, Event::unplug}};
  for (const auto& [at, event] : expected) {
    EXPECT_EQ(schedule.next(), at);
    EXPECT_EQ(schedule.pop(), event);
  }
}

TEST(FaultSchedule, IsEmptyAfterTheLast) {
  const auto plan = parse_fault_spec("unplug=at:1s:2s");
  ASSERT_TRUE(plan);
  FaultSchedule schedule(plan->timed);
  schedule.pop();
  EXPECT_EQ(schedule.next(), 3s);
  schedule.pop();
  EXPECT_EQ(schedule.next(), FaultSchedule::kNever);
}

}  // namespace
}  // namespace tml::fw::native
