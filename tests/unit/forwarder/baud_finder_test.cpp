// SPDX-License-Identifier: Apache-2.0
#include "forwarder/baud_finder.hpp"

#include <gtest/gtest.h>

#include "common/base/random.hpp"

namespace tml::forwarder {
namespace {

using namespace std::chrono_literals;

/// A board that sends readings at one rate; at any other the host reads noise.
struct Line {
  std::uint32_t rate = 0;
  double hz = 100;
  SeededRandom random{7};

  std::string chunk(std::uint32_t listening, std::uint64_t index) {
    if (listening == rate) return std::to_string(index) + ",0.25,-9.81\r\n";
    std::string noise(15, '\0');
    for (char& c : noise) c = static_cast<char>(random.next_u64());
    return noise;
  }
};

/// The rate found, or 0 after a minute; `tried` counts changes of the rate.
std::uint32_t find(BaudFinder& finder, Line& line, unsigned* tried = nullptr) {
  stream::Time now = 1s;
  stream::Time next = now;
  std::uint64_t index = 0;
  finder.begin(now);
  while (now < 61s) {
    now += 25ms;
    while (line.hz > 0 && next <= now) {
      const std::string bytes = line.chunk(finder.rate(), index++);
      finder.push(std::as_bytes(std::span(bytes)), next);
      next += stream::from_seconds(1 / line.hz);
    }
    const auto step = finder.step(now);
    if (step == BaudFinder::Step::found) return finder.result();
    if (step != BaudFinder::Step::next) continue;
    if (tried != nullptr) ++*tried;
    finder.begin(now);
  }
  return 0;
}

TEST(BaudFinder, FindsEachUsualRate) {
  for (const std::uint32_t rate : BaudFinder::usual_rates()) {
    BaudFinder finder(0);
    Line line{rate};
    EXPECT_EQ(find(finder, line), rate);
  }
}

TEST(BaudFinder, TheHintIsTriedFirst) {
  BaudFinder finder(250'000);
  Line line{250'000};
  unsigned tried = 0;
  EXPECT_EQ(find(finder, line, &tried), 250'000U);
  EXPECT_EQ(tried, 0U);
}

TEST(BaudFinder, AWrongHintCostsATurn) {
  BaudFinder finder(9600);
  Line line{921'600};
  EXPECT_EQ(find(finder, line), 921'600U);
}

TEST(BaudFinder, ASlowBoardIsFoundToo) {
  BaudFinder finder(0);
  Line line{57'600, 4};
  EXPECT_EQ(find(finder, line), 57'600U);
}

TEST(BaudFinder, SilenceGoesRound) {
  BaudFinder finder(0);
  Line line{115'200, 0};
  EXPECT_EQ(find(finder, line), 0U);
  EXPECT_GE(finder.rounds(), 2U);
  EXPECT_FALSE(finder.heard_anything());
}

TEST(BaudFinder, WhatIsLeftOfTheOldRateDoesNotCount) {
  BaudFinder finder(0);
  finder.begin(1s);
  const std::string noise(4000, '\xAA');
  finder.push(std::as_bytes(std::span(noise)), 1s + 5ms);
  EXPECT_EQ(finder.step(1s + 20ms), BaudFinder::Step::listen);
  EXPECT_TRUE(finder.heard_anything());
}

}  // namespace
}  // namespace tml::forwarder
