// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Two packages: the first, or a level, opens the second.
#include "firmware/app/cascade.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "firmware/dsp/anomaly.hpp"
#include "tests/support/fw_fakes.hpp"
#include "tests/support/package_builder.hpp"

namespace tml::fw::app {
namespace {

using test::host_result;
using test::mean_package;
using test::PackageBuilder;
using test::Rig;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

/// Mean of the three axes' standard deviations and so on: one k-means cluster at `centre` with radius 1 on feature 0.
std::vector<std::uint8_t> cluster(float centre) {
  dsp::AnomalyHeader header;
  header.kind = static_cast<std::uint8_t>(dsp::AnomalyKind::k_means);
  header.inputs = 1;
  header.clusters = 1;
  header.features = 3;
  header.threshold = 1;
  header.bytes = dsp::anomaly_bytes(dsp::AnomalyKind::k_means, 1, 1);
  std::vector<std::uint8_t> bytes(header.bytes, 0);
  std::memcpy(bytes.data(), &header, sizeof(header));
  const float numbers[] = {0.0F, 1.0F, centre, 1.0F};  // mean, inverse deviation, centre, radius
  std::memcpy(bytes.data() + sizeof(header) + 4, numbers, sizeof(numbers));
  return bytes;
}

class CascadeTest : public testing::Test {
 protected:
  Rig rig{32, 2};
  PackageBuilder second = mean_package("second");

  void boot(const PackageBuilder* first) {
    if (first != nullptr) rig.load(0, first->build());
    rig.load(2, second.build());
    rig.boot();
  }
  std::string run_continuously(std::uint64_t us) {
    rig.uart.sent.clear();
    rig.uart.feed("AT+RUNIMPULSECONT\r");
    for (const std::uint64_t end = rig.clock.now_us + us; rig.clock.now_us < end;) rig.step();
    rig.uart.feed("b\r");
    EXPECT_TRUE(rig.run_until_prompt());
    return rig.uart.sent;
  }
  std::string ask(std::string_view command) { return host_result(rig.command(command)); }
};

TEST_F(CascadeTest, ALabelOpensTheSecondStage) {
  const PackageBuilder first = mean_package("first");
  second.head.gate = wire::model::Gate::label;
  second.head.gate_label = 1;       // y, the mean of axis 1: 1.75, 3.75, ...
  second.head.gate_threshold = 20;  // from the tenth shown value on
  boot(&first);
  const std::string sent = run_continuously(306'000);  // windows end at 4, 6, ... 30: 14
  EXPECT_EQ(count(sent, ", closed, second stage ran 0 of "), 10U) << sent;
  EXPECT_THAT(sent, HasSubstr("Cascade: gate 21.750000, open, second stage ran 1 of 11 windows\r\nTiming:"));
  EXPECT_THAT(sent, HasSubstr("second stage ran 4 of 14 windows\r\n"));
  EXPECT_EQ(count(sent, "Timing:"), 18U);
  const std::string told = ask("AT+CASCADE?");
  // 300 per run of either: 14 + 4 runs against 14 of the second alone, a loss of 4/14.
  EXPECT_EQ(told,
            "Gate: label 1, threshold 20.000000, hold 1\r\n"
            "First stage: ran 14 windows, work 4200 ticks\r\n"
            "Second stage: ran 4 of 14 windows (28.6 %), work 1200 ticks\r\n"
            "Saved: -28.6 % of the second stage on every window");
  EXPECT_THAT(ask("AT+DRIFT?"), HasSubstr("Drift slot 1: second\r\nWindows: 4 of 14, failed 0"));
}

TEST_F(CascadeTest, AnAnomalyOpensItAndItStaysOpen) {
  PackageBuilder first = mean_package("first");
  first.head.anomaly = wire::model::AnomalyKind::k_means;
  first.head.anomaly_threshold = 2;
  first.anomaly = cluster(1.5F);  // the first window is the middle of what is normal
  second.head.gate = wire::model::Gate::anomaly;
  second.head.gate_threshold = 1.5F;
  second.head.gate_hold = 3;
  boot(&first);
  const std::string sent = run_continuously(106'000);
  EXPECT_THAT(sent, HasSubstr("Anomaly prediction: -1.000000\r\nAnomaly: no\r\nCascade: gate -1.000000, closed"));
  EXPECT_THAT(sent, HasSubstr("Anomaly prediction: 3.000000\r\nAnomaly: yes\r\nCascade: gate 3.000000, open"));
  EXPECT_THAT(ask("AT+DRIFT?"), HasSubstr("Anomalies: 2\r\n"));
}

TEST_F(CascadeTest, ALevelNeedsNoFirstPackage) {
  second.head.gate = wire::model::Gate::level;
  second.head.gate_threshold = 0.4F;  // two readings one apart: deviation 0.5
  boot(nullptr);
  const std::string open = run_continuously(106'000);
  EXPECT_THAT(open, HasSubstr("Cascade: gate 0.500000, open, second stage ran 1 of 1 windows\r\nTiming:"));
  second.head.gate_threshold = 0.6F;
  boot(nullptr);
  const std::string closed = run_continuously(106'000);
  EXPECT_THAT(closed, HasSubstr("Cascade: gate 0.500000, closed, second stage ran 0 of 1 windows\r\n"));
  EXPECT_THAT(closed, Not(HasSubstr("Timing:")));
  EXPECT_THAT(ask("AT+CASCADE?"), HasSubstr("First stage: level, work 400 ticks\r\n"
                                            "Second stage: ran 0 of 4 windows (0.0 %), work 0 ticks\r\n"));
}

TEST_F(CascadeTest, OneShotRunsTheSecondOnTheSameReadings) {
  PackageBuilder first = mean_package("first");
  second.head.gate = wire::model::Gate::label;
  second.head.gate_threshold = 1;
  second.head.window = 8;
  boot(&first);
  rig.uart.feed("AT+RUNIMPULSE\r");
  ASSERT_TRUE(rig.run_until_sent("Starting inferencing in 2 seconds...\r\nSampling...\r\nTiming"));
  ASSERT_TRUE(rig.run_until_sent("  z: 4.000000\r\n"));
  // The first sees readings 4 .. 7, the second 0 .. 7.
  EXPECT_THAT(rig.uart.sent, HasSubstr("  x: 5.500000\r\n"));
  EXPECT_THAT(rig.uart.sent, HasSubstr("open, second stage ran 1 of 1 windows\r\nTiming"));
  EXPECT_THAT(rig.uart.sent, HasSubstr("  x: 3.500000\r\n"));
}

TEST_F(CascadeTest, WhatCannotBeOneIsRefused) {
  PackageBuilder first = mean_package("first");
  second.head.gate = wire::model::Gate::label;
  second.head.gate_label = 3;
  boot(&first);
  EXPECT_EQ(ask("AT+RUNIMPULSE"), "ERR: the gate of slot 1 names a label that the package of slot 0 does not have");
  second.head.gate = wire::model::Gate::anomaly;
  boot(&first);
  EXPECT_EQ(ask("AT+RUNIMPULSECONT"),
            "ERR: the gate of slot 1 waits for an anomaly score, the package of slot 0 gives none");
  second.head.gate = wire::model::Gate::level;
  boot(&first);
  rig.uart.feed("AT+RUNIMPULSE\r");
  ASSERT_TRUE(rig.run_until_sent("(the axis of the gate's level)\r\nInferencing settings:"));
  EXPECT_THAT(rig.uart.sent, HasSubstr("Slot 1A is refused and left out: the impulse section is malformed"));
  rig.uart.feed("b\r");
  ASSERT_TRUE(rig.run_until_prompt());
  second.head.gate_label = 0;
  second.head.frequency_hz = 50;
  boot(&first);
  EXPECT_EQ(ask("AT+RUNIMPULSE"), "ERR: both stages of a cascade must use one sensor at one rate");
  second.head.frequency_hz = 100;
  second.head.gate = wire::model::Gate::none;
  boot(&first);
  EXPECT_EQ(ask("AT+CASCADE?"), "ERR: no cascade, the package of slot 1 has no gate or there is none");
}

TEST_F(CascadeTest, ASlotOneWithoutAGateRunsWhenSlotZeroIsEmpty) {
  boot(nullptr);
  const std::string sent = run_continuously(56'000);
  EXPECT_THAT(sent, HasSubstr("#Classification predictions:\r\n  x: 1.500000\r\n"));
  EXPECT_THAT(sent, Not(HasSubstr("Cascade")));
  EXPECT_THAT(ask("AT+DRIFT?"), HasSubstr("Drift slot 1: second\r\nWindows: 1 of 1"));
}

}  // namespace
}  // namespace tml::fw::app
