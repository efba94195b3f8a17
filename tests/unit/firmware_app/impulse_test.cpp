// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// AT+RUNIMPULSE, -DEBUG and -CONT: what is printed, when windows begin, and that nothing is lost without being told.
#include "firmware/app/impulse_job.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/fw_fakes.hpp"
#include "tests/support/package_builder.hpp"

namespace tml::fw::app {
namespace {

using test::host_result;
using test::mean_package;
using test::PackageBuilder;
using test::Rig;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

class ImpulseTest : public testing::Test {
 protected:
  Rig rig{32, 2};

  void boot(const PackageBuilder& slot0) {
    rig.load(0, slot0.build());
    rig.boot();
  }
  void start(std::string_view command) {
    rig.uart.sent.clear();
    rig.uart.feed(std::string(command) + "\r");
  }
  void run_for(std::uint64_t us) {
    for (const std::uint64_t end = rig.clock.now_us + us; rig.clock.now_us < end;) rig.step();
  }
  std::string stop() {
    rig.uart.feed("b\r");
    EXPECT_TRUE(rig.run_until_prompt());
    return rig.uart.sent;
  }
  std::string ask(std::string_view command) { return host_result(rig.command(command)); }
};

TEST_F(ImpulseTest, OnceAfterTheOtherUntilTheStop) {
  boot(mean_package());
  start("AT+RUNIMPULSE");
  run_for(4'200'000);
  const std::string sent = stop();
  // Readings 0 .. 3 of the fake: means 1.5, 1.75 and 2.
  EXPECT_THAT(sent, StartsWith("AT+RUNIMPULSE\r\n"
                               "Inferencing settings:\r\n"
                               "\tInterval: 10.00 ms.\r\n"
                               "\tFrame size: 12\r\n"
                               "\tSample length: 40 ms.\r\n"
                               "\tNo. of classes: 3\r\n"
                               "Starting inferencing, press 'b' to break\r\n"
                               "Starting inferencing in 2 seconds...\r\n"
                               "Sampling...\r\n"
                               "Timing: DSP 0 ms, inference 0 ms, anomaly 0 ms\r\n"
                               "#Classification predictions:\r\n"
                               "  x: 1.500000\r\n"
                               "  y: 1.750000\r\n"
                               "  z: 2.000000\r\n"
                               "Starting inferencing in 2 seconds...\r\n"
                               "Sampling...\r\n"));
  EXPECT_THAT(sent, EndsWith("Inferencing stopped by user\r\n> "));
  EXPECT_EQ(count(sent, "Timing:"), 2U);
  EXPECT_FALSE(rig.accel.running);
  EXPECT_EQ(ask("AT+DEVICEID?"), "aa:bb:cc:00:00:01");
}

TEST_F(ImpulseTest, StopsWhileItSamplesAndWhileItCounts) {
  PackageBuilder slow = mean_package();
  slow.head.window = 1000;
  boot(slow);
  start("AT+RUNIMPULSE");
  run_for(1'000'000);
  EXPECT_FALSE(rig.accel.running);
  EXPECT_THAT(stop(), EndsWith("Starting inferencing in 2 seconds...\r\nInferencing stopped by user\r\n> "));
  start("AT+RUNIMPULSE");
  run_for(3'000'000);
  EXPECT_TRUE(rig.accel.running);
  EXPECT_THAT(stop(), EndsWith("Sampling...\r\nInferencing stopped by user\r\n> "));
  EXPECT_FALSE(rig.accel.running);
}

TEST_F(ImpulseTest, DebugShowsWindowFeaturesAndWork) {
  boot(mean_package());
  start("AT+RUNIMPULSEDEBUG=n");
  run_for(2'200'000);
  const std::string sent = stop();
  EXPECT_THAT(sent,
              HasSubstr("Window: 0 0.25 0.5 1 1.25 1.5 2 2.25 2.5 3 3.25 3.5\r\nFeatures: 1.5 1.75 2\r\nTiming:"));
  EXPECT_THAT(sent, HasSubstr("\r\nWork: DSP 200, inference "));
  EXPECT_THAT(sent, HasSubstr(" ticks\r\n#Classification predictions:\r\n  x: 1.500000\r\n"));
}

TEST_F(ImpulseTest, FastDebugChangesTheRateAndBack) {
  rig.system.about.transfer_baud = 921600;
  boot(mean_package());
  start("AT+RUNIMPULSEDEBUG=y");
  run_for(2'600'000);
  EXPECT_EQ(rig.uart.baud, 921600U);
  stop();
  EXPECT_EQ(rig.uart.baud, 115200U);
  ASSERT_EQ(rig.uart.baud_changes.size(), 2U);
  std::string slow_text;
  for (const auto& write : rig.uart.writes) {
    if (write.baud == 115200) slow_text += write.bytes;
  }
  EXPECT_THAT(slow_text, EndsWith("\r\n> "));
  EXPECT_THAT(slow_text, Not(HasSubstr("Inferencing")));
}

TEST_F(ImpulseTest, ContinuousWindowsOverlapAndEveryHalfWindowIsPrinted) {
  PackageBuilder package = mean_package();
  package.sensor("Built-in accelerometer", {2, 1, 0}, 100.0F, 8, 2);
  boot(package);
  start("AT+RUNIMPULSECONT");
  run_for(406'000);  // 40 readings: windows end at 8, 10, ... 40
  const std::string sent = stop();
  EXPECT_THAT(sent, StartsWith("AT+RUNIMPULSECONT\r\nInferencing settings:\r\n"));
  EXPECT_THAT(sent, HasSubstr("press 'b' to break\r\nTiming: DSP 0 ms, inference 0 ms, anomaly 0 ms\r\n"
                              "#Classification predictions:\r\n  x: 4.000000\r\n  y: 3.750000\r\n  z: 3.500000\r\n"
                              "Timing:"));
  EXPECT_THAT(sent, HasSubstr("  x: 8.000000\r\n")) << "two strides later";
  EXPECT_EQ(count(sent, "Timing:"), 9U) << "17 windows, every second one from the first on";
  EXPECT_THAT(sent, Not(HasSubstr("Overrun")));
  const std::string drift = ask("AT+DRIFT?");
  EXPECT_THAT(drift, HasSubstr("Drift slot 0: means\r\nWindows: 17 of 17, failed 0\r\n"
                               "Overrun: 0 windows skipped, 0 readings lost\r\nAnomalies: 0\r\nWork: min "));
  EXPECT_THAT(drift, HasSubstr("Feature 0: mean 20.000000, variance 96.000000"));
}

TEST_F(ImpulseTest, DriftIsTheSameAsComputedDirectly) {
  boot(mean_package());
  start("AT+RUNIMPULSECONT");
  run_for(1'006'000);  // windows end at 4, 6, ... 100: 49 of them, means 1.5, 3.5, ... 97.5
  stop();
  const std::string drift = ask("AT+DRIFT?");
  // Mean 49.5, population variance of 49 equidistant values at distance 2: 4 * (49^2 - 1) / 12.
  EXPECT_THAT(drift, HasSubstr("Feature 0: mean 49.500000, variance 800.000000\r\n"));
  EXPECT_THAT(drift, HasSubstr("Feature 2: mean 50.000000, variance 800.000000\r\n"));
  // The model's input ends at 127 * 0.25 = 31.75.
  EXPECT_THAT(drift, HasSubstr("Clamped: input 100, output low 0, output high 101\r\n"));
  EXPECT_THAT(drift, HasSubstr("Label x: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 49\r\n"));
  EXPECT_EQ(ask("AT+DRIFT=NOW"), "ERR: expected AT+DRIFT=RESET");
  EXPECT_EQ(ask("AT+DRIFT=RESET"), "OK");
  EXPECT_THAT(ask("AT+DRIFT?"), HasSubstr("Windows: 0 of 0, failed 0"));
}

TEST_F(ImpulseTest, WhatIsSkippedAndLostIsTold) {
  boot(mean_package());
  start("AT+RUNIMPULSECONT");
  ASSERT_TRUE(rig.run_until_sent("#Classification"));
  rig.accel.fifo = 6;
  rig.clock.now_us += 1'000'000;  // somebody held the board
  run_for(200'000);
  const std::string sent = stop();
  EXPECT_THAT(sent, HasSubstr("Overrun: "));
  const std::size_t at = sent.find("Overrun: ");
  unsigned skipped = 0;
  unsigned lost = 0;
  ASSERT_EQ(std::sscanf(sent.c_str() + at, "Overrun: %u windows skipped, %u readings lost", &skipped, &lost), 2);
  EXPECT_GE(lost, 90U);
  const std::string drift = ask("AT+DRIFT?");
  EXPECT_THAT(drift, HasSubstr(" windows skipped, " + std::to_string(lost) + " readings lost"));
}

TEST_F(ImpulseTest, WindowsAreSkippedWhenTheBoardIsLateButItsFifoIsNot) {
  boot(mean_package());
  start("AT+RUNIMPULSECONT");
  ASSERT_TRUE(rig.run_until_sent("#Classification"));
  rig.clock.now_us += 500'000;  // 50 readings wait in the driver: the ring takes ten
  run_for(100'000);
  const std::string sent = stop();
  EXPECT_THAT(sent, HasSubstr(" windows skipped, 0 readings lost\r\n"));
}

TEST_F(ImpulseTest, ASensorThatFallsSilentEndsIt) {
  boot(mean_package());
  rig.accel.stalls_after = 6;
  start("AT+RUNIMPULSECONT");
  EXPECT_TRUE(rig.run_until_prompt());
  EXPECT_THAT(rig.uart.sent, EndsWith("ERR: the sensor stopped giving readings\r\n> "));
  rig.accel.stalls_after = 2;
  start("AT+RUNIMPULSE");
  EXPECT_TRUE(rig.run_until_prompt());
  EXPECT_THAT(rig.uart.sent, EndsWith("Sampling...\r\nERR: the sensor stopped giving readings\r\n> "));
  rig.accel.refuses = true;
  start("AT+RUNIMPULSE");
  EXPECT_TRUE(rig.run_until_prompt());
  EXPECT_THAT(rig.uart.sent, HasSubstr("ERR: Failed to start sampling"));
}

TEST_F(ImpulseTest, AudioIsRecordedAndReadAsSixteenBit) {
  PackageBuilder package("level");
  package.identity(1, 1.0F, 0).sensor("Built-in microphone", {0}, 16000.0F, 16, 8);
  dsp::BlockConfig block = dsp::defaults(dsp::BlockType::flatten);
  block.statistics = dsp::kMean;
  package.blocks = {block};
  package.head.features = 1;
  boot(package);
  start("AT+RUNIMPULSE");
  run_for(2'100'000);
  const std::string sent = stop();
  // Samples -1000 + 7 k: the mean of 16 is -947.5, far below what the int8 input holds.
  EXPECT_THAT(sent, HasSubstr("\tInterval: 0.06 ms.\r\n\tFrame size: 16\r\n\tSample length: 1 ms.\r\n"));
  EXPECT_THAT(sent, HasSubstr("Recording...\r\nRecording done\r\nTiming:"));
  EXPECT_THAT(sent, HasSubstr("#Regression prediction: -128.000000\r\n"));
  EXPECT_THAT(ask("AT+DRIFT?"), HasSubstr("Clamped: input 1, output low 1, output high 0\r\nFeature 0: mean -947.5"));
}

TEST_F(ImpulseTest, IncrementalFramesGiveTheSameAsWholeWindows) {
  PackageBuilder package("frames");
  dsp::BlockConfig block = dsp::defaults(dsp::BlockType::mfe);
  block.fft_length = 64;
  block.frame_length = 64;
  block.frame_stride = 32;
  block.mel_filters = 4;
  block.scale = 1;  // the fake's ramp is loud, plain decibels
  block.floor_db = 0;
  const dsp::WindowFacts window{256, 1, 16000.0F, 0};
  const auto facts = dsp::check(block, window);
  ASSERT_TRUE(facts) << dsp::text(facts.error());
  constexpr float kScale = 0.75F;
  package.identity(facts->features, kScale, 0).sensor("Built-in microphone", {0}, 16000.0F, 256, 32);
  package.blocks = {block};
  package.head.features = facts->features;
  for (std::uint32_t i = 0; i < facts->features; ++i) package.labels.push_back("f" + std::to_string(i));
  boot(package);
  start("AT+RUNIMPULSECONT");
  run_for(60'000);
  const std::string sent = stop();
  EXPECT_THAT(sent, Not(HasSubstr("ERR")));
  EXPECT_THAT(sent, Not(HasSubstr("Overrun")));

  // Printed are windows 0, 4, 8, ...: every half window of 256 readings at a stride of 32.
  std::vector<float> scratch(facts->scratch_bytes / sizeof(float) + 1);
  std::size_t at = 0;
  for (std::size_t first = 0; first <= 256; first += 128) {
    std::vector<float> samples(256);
    for (std::size_t k = 0; k < samples.size(); ++k)
      samples[k] = static_cast<float>(static_cast<std::int16_t>(static_cast<std::uint16_t>((first + k) * 7 - 1000)));
    std::vector<float> features(facts->features);
    dsp::FloatSignal signal(samples);
    ASSERT_TRUE(dsp::run(block, window, signal, features, std::as_writable_bytes(std::span(scratch))));
    ASSERT_NE(std::round(features[0] / kScale), std::round(features[1] / kScale)) << "tells nothing when all are alike";
    std::string expected = "#Classification predictions:\r\n";
    for (std::size_t i = 0; i < features.size(); ++i) {
      const float quantised = std::clamp(std::round(features[i] / kScale), -128.0F, 127.0F);
      Line line;
      line.put("  f").number(i).put(": ").fixed(static_cast<double>(quantised * kScale), 6).put("\r\n");
      expected += line.view();
    }
    at = sent.find("#Classification predictions:", at);
    ASSERT_NE(at, std::string::npos);
    EXPECT_EQ(sent.substr(at, expected.size()), expected) << "window from " << first;
    at += expected.size();
  }
}

TEST_F(ImpulseTest, FramesBeginAnewBehindLostReadings) {
  PackageBuilder package("frames");
  dsp::BlockConfig block = dsp::defaults(dsp::BlockType::mfe);
  block.fft_length = 64;
  block.frame_length = 64;
  block.frame_stride = 32;
  block.mel_filters = 4;
  const auto facts = dsp::check(block, {256, 1, 16000.0F, 0});
  ASSERT_TRUE(facts);
  package.identity(facts->features, 1.0F / 128, 0).sensor("Built-in microphone", {0}, 16000.0F, 256, 32);
  package.blocks = {block};
  package.head.features = facts->features;
  boot(package);
  start("AT+RUNIMPULSECONT");
  ASSERT_TRUE(rig.run_until_sent("Timing"));
  rig.audio.fifo = 400;
  rig.clock.now_us += 100'000;
  run_for(60'000);
  const std::string sent = stop();
  EXPECT_THAT(sent, HasSubstr("Overrun: "));
  EXPECT_THAT(sent, Not(HasSubstr("ERR")));
  EXPECT_GT(count(sent.substr(sent.rfind("Overrun: ")), "Timing"), 2U) << sent;
  EXPECT_THAT(ask("AT+DRIFT?"), HasSubstr(", failed 0\r\n"));
}

TEST_F(ImpulseTest, RefusalsNameTheirCause) {
  rig.boot();
  EXPECT_EQ(ask("AT+RUNIMPULSE"), "ERR: no model");
  EXPECT_EQ(ask("AT+RUNIMPULSECONT"), "ERR: no model");

  PackageBuilder other = mean_package();
  test::set_text(other.head.sensor, "Thermocouple");
  boot(other);
  EXPECT_EQ(ask("AT+RUNIMPULSE"), "ERR: this board has no sensor Thermocouple");

  PackageBuilder fast = mean_package();
  fast.head.frequency_hz = 400;
  boot(fast);
  EXPECT_EQ(ask("AT+RUNIMPULSE"), "ERR: the model wants 400.00 Hz, the sensor's highest rate is 200.00 Hz");

  PackageBuilder axes = mean_package();
  axes.head.axes[2] = 5;
  boot(axes);
  EXPECT_EQ(ask("AT+RUNIMPULSE"), "ERR: the sensor has 3 axes, the model wants others");

  PackageBuilder bare = mean_package();
  bare.with_impulse = false;
  boot(bare);
  EXPECT_THAT(ask("AT+RUNIMPULSE"), StartsWith("ERR: the package is a bare model"));
  EXPECT_EQ(ask("AT+RUNIMPULSECONT"), "Error no continuous classification available for current model");

  PackageBuilder large = mean_package();
  large.head.window = 30'000;
  boot(large);
  EXPECT_THAT(ask("AT+RUNIMPULSE"), StartsWith("ERR: the impulse needs "));

  std::vector<std::uint8_t> damaged = mean_package().build();
  damaged[300] ^= 1;
  rig.load(0, damaged);
  rig.boot();
  EXPECT_EQ(ask("AT+RUNIMPULSE"), "ERR: no model: slot 0A was refused, damaged: the content does not match its hash");
}

TEST_F(ImpulseTest, SmoothingByMajorityAndThreshold) {
  PackageBuilder package = mean_package();
  package.head.smoothing = wire::model::Smoothing::majority;
  package.head.smoothing_length = 3;
  package.head.smoothing_count = 2;
  package.head.threshold = 4;  // the third window is the first whose largest score reaches it
  boot(package);
  start("AT+RUNIMPULSECONT");
  run_for(106'000);  // windows end at 4, 6, 8, 10: z is 2, 4, 6, 8
  const std::string sent = stop();
  EXPECT_EQ(count(sent, "Result: uncertain\r\n"), 2U) << sent;
  EXPECT_EQ(count(sent, "Result: z\r\n"), 2U);
}

TEST_F(ImpulseTest, WindowsOneAfterTheOtherAreSmoothedToo) {
  PackageBuilder package = mean_package();
  package.head.smoothing = wire::model::Smoothing::majority;
  package.head.smoothing_length = 3;
  package.head.smoothing_count = 2;
  boot(package);
  start("AT+RUNIMPULSE");
  run_for(6'300'000);  // three windows, z the highest in each
  const std::string sent = stop();
  EXPECT_EQ(count(sent, "Result: uncertain\r\n"), 1U) << sent;
  EXPECT_EQ(count(sent, "Result: z\r\n"), 2U);
}

TEST_F(ImpulseTest, SmoothingByAverage) {
  PackageBuilder package = mean_package();
  package.head.smoothing = wire::model::Smoothing::average;
  package.head.smoothing_length = 2;
  boot(package);
  start("AT+RUNIMPULSECONT");
  run_for(86'000);  // x: 1.5, 3.5, 5.5
  const std::string sent = stop();
  EXPECT_THAT(sent, HasSubstr("  x: 1.500000\r\n"));
  EXPECT_THAT(sent, HasSubstr("  x: 2.500000\r\n"));
  EXPECT_THAT(sent, HasSubstr("  x: 4.500000\r\n"));
}

TEST_F(ImpulseTest, TheHostCannotBlockTheSampling) {
  boot(mean_package());
  rig.uart.capacity = 16;
  start("AT+RUNIMPULSECONT");
  run_for(1'000'000);
  EXPECT_THAT(stop(), HasSubstr("#Classification predictions:"));
}

}  // namespace
}  // namespace tml::fw::app
