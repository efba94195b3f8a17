// SPDX-License-Identifier: Apache-2.0
#include "common/stream/window.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>

namespace tml::stream {
namespace {

Reading at(std::uint64_t index, double value) {
  Reading reading;
  reading.index = index;
  reading.values.append(value);
  return reading;
}
Reading at(std::uint64_t index) { return at(index, static_cast<double>(index)); }

WindowCutter cutter(CutSettings settings) {
  auto made = WindowCutter::create(std::move(settings));
  EXPECT_TRUE(made);
  return std::move(*made);
}

std::vector<std::uint64_t> starts(WindowCutter& cut) {
  std::vector<std::uint64_t> out;
  while (const auto window = cut.take()) out.push_back(window->first);
  return out;
}

TEST(WindowCutter, RepeatedWithRest) {
  CutSettings settings;
  settings.length = 10;
  settings.repeat = 3;
  settings.rest = 5;
  auto cut = cutter(settings);
  for (std::uint64_t i = 3; i < 100; ++i) cut.push(at(i));
  EXPECT_TRUE(cut.done());
  EXPECT_EQ(starts(cut), (std::vector<std::uint64_t>{3, 18, 33}));
}

TEST(WindowCutter, ContinuousWithOverlap) {
  CutSettings settings;
  settings.mode = CutSettings::Mode::continuous;
  settings.length = 10;
  settings.overlap = 5;
  auto cut = cutter(settings);
  for (std::uint64_t i = 0; i < 30; ++i) cut.push(at(i));
  EXPECT_EQ(starts(cut), (std::vector<std::uint64_t>{0, 5, 10, 15, 20}));
}

TEST(WindowCutter, TriggeredWithHistory) {
  const std::vector<std::string> axes = {"x"};
  CutSettings settings;
  settings.mode = CutSettings::Mode::triggered;
  settings.length = 10;
  settings.before_trigger = 4;
  settings.repeat = 0;
  settings.trigger = *Trigger::compile("x > 90", axes);
  auto cut = cutter(settings);
  for (std::uint64_t i = 0; i < 100; ++i) cut.push(at(i, i == 2 || i == 40 || i == 43 || i == 60 ? 100 : 0));
  const auto early = cut.take();
  ASSERT_TRUE(early);
  EXPECT_EQ(early->first, 0U);
  const auto window = cut.take();
  ASSERT_TRUE(window);
  EXPECT_EQ(window->first, 36U);
  EXPECT_EQ(window->trigger, 40U);
  EXPECT_EQ(window->rows[4], 100);
  EXPECT_EQ(cut.take()->trigger, 60U);
  EXPECT_FALSE(cut.take());
}

TEST(WindowCutter, HolesStayHoles) {
  CutSettings settings;
  settings.mode = CutSettings::Mode::continuous;
  settings.length = 10;
  auto cut = cutter(settings);
  for (const std::uint64_t i : {0U, 1U, 2U, 6U, 7U, 12U, 55U, 56U, 61U}) cut.push(at(i));
  const auto first = cut.take();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->index, (std::vector<std::uint64_t>{0, 1, 2, 6, 7}));
  EXPECT_EQ(cut.take()->index, (std::vector<std::uint64_t>{12}));
  const auto third = cut.take();
  ASSERT_TRUE(third);
  EXPECT_EQ(third->first, 50U);
  EXPECT_EQ(cut.empty(), 3U);
}

TEST(WindowCutter, NeverWaitsAndCountsWhatItDrops) {
  CutSettings settings;
  settings.mode = CutSettings::Mode::continuous;
  settings.length = 5;
  settings.max_ready = 2;
  auto cut = cutter(settings);
  for (std::uint64_t i = 0; i < 50; ++i) cut.push(at(i));
  EXPECT_EQ(cut.dropped(), 8U);
  EXPECT_EQ(starts(cut), (std::vector<std::uint64_t>{40, 45}));
}

TEST(WindowCutter, FinishHandsOutWhatThereIs) {
  CutSettings settings;
  settings.length = 10;
  auto cut = cutter(settings);
  for (std::uint64_t i = 0; i < 4; ++i) cut.push(at(i));
  cut.finish();
  const auto window = cut.take();
  ASSERT_TRUE(window);
  EXPECT_TRUE(window->cut_short);
  EXPECT_EQ(window->length, 4U);
}

TEST(WindowCutter, RefusesContradictions) {
  EXPECT_FALSE(WindowCutter::create({}));
  CutSettings overlap;
  overlap.length = 4;
  overlap.overlap = 4;
  EXPECT_FALSE(WindowCutter::create(overlap));
  CutSettings trigger;
  trigger.length = 4;
  trigger.mode = CutSettings::Mode::triggered;
  EXPECT_FALSE(WindowCutter::create(trigger));
}

TEST(WindowCutter, ReadingsInALengthOfTime) {
  EXPECT_EQ(readings_in(1000, 62.5), 63U);
  EXPECT_EQ(readings_in(0, 100), 1U);
  EXPECT_EQ(readings_in(1e18, 1e9), WindowCutter::kMaxLength);
}

TEST(ApplyPolicy, KeepInterpolateReject) {
  Window window;
  window.first = 10;
  window.length = 6;
  window.axes = 1;
  window.index = {11, 14};
  window.rows = {1, 7};
  EXPECT_EQ(apply_policy(window, GapPolicy::keep)->rows, (std::vector<double>{1, 7}));
  EXPECT_EQ(apply_policy(window, GapPolicy::interpolate)->rows, (std::vector<double>{1, 1, 3, 5, 7, 7}));
  const auto refused = apply_policy(window, GapPolicy::reject);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::refused);
  EXPECT_NE(refused.error().what.find("4 of 6"), std::string::npos);
}

TEST(WindowCutter, EveryReadingIsInItsWindow) {
  EXPECT_TRUE(rc::check("continuous windows hold exactly the readings of their range", [] {
    const auto present = *rc::gen::container<std::set<std::uint16_t>>(rc::gen::inRange<std::uint16_t>(0, 500));
    CutSettings settings;
    settings.mode = CutSettings::Mode::continuous;
    settings.length = *rc::gen::inRange<std::uint64_t>(1, 40);
    settings.overlap = *rc::gen::inRange<std::uint64_t>(0, settings.length);
    settings.max_ready = 1000;
    auto cut = cutter(settings);
    for (const auto i : present) cut.push(at(i));
    while (const auto window = cut.take()) {
      std::vector<std::uint64_t> wanted;
      for (const auto i : present) {
        if (i >= window->first && i < window->first + window->length) wanted.push_back(i);
      }
      RC_ASSERT(window->index == wanted);
      for (std::size_t r = 0; r < wanted.size(); ++r) RC_ASSERT(window->rows[r] == static_cast<double>(wanted[r]));
    }
  }));
}

}  // namespace
}  // namespace tml::stream
