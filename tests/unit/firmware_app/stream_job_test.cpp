// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// AT+STREAMSTART: what goes out, what is dropped and that both together are what was taken.
#include "firmware/app/stream_job.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/support/fw_fakes.hpp"

namespace tml::fw::app {
namespace {

using test::host_result;
using test::Rig;
using testing::HasSubstr;
using testing::StartsWith;

struct Frames {
  std::vector<wire::SessionInfo> sessions;
  std::map<std::uint32_t, std::vector<double>> readings;  // by seq
  std::map<std::uint32_t, std::uint32_t> stamps;          // of frames and of the first reading of batches
  std::size_t bad = 0;
};

Frames frames_in(std::string_view bytes) {
  Frames out;
  std::vector<std::byte> memory(wire::kMaxStreamFrame);
  wire::StreamFrameReader reader(memory);
  for (const char c : bytes) {
    const auto event = reader.push(static_cast<std::byte>(c));
    if (event == wire::StreamFrameReader::Event::error) ++out.bad;
    if (event != wire::StreamFrameReader::Event::item) continue;
    if (const auto* const info = std::get_if<wire::SessionInfo>(&reader.item())) out.sessions.push_back(*info);
    if (const auto* const one = std::get_if<wire::SensorReading>(&reader.item())) {
      EXPECT_EQ(out.readings.count(one->seq), 0U);
      out.readings[one->seq].assign(one->values.begin(), one->values.begin() + one->count);
      out.stamps[one->seq] = one->ts_ms;
    }
    if (const auto* const batch = std::get_if<wire::SensorBatch>(&reader.item())) {
      out.stamps[batch->seq] = batch->ts_ms;
      for (std::size_t i = 0; i < batch->count; ++i) {
        auto& values = out.readings[static_cast<std::uint32_t>(batch->seq + i)];
        EXPECT_TRUE(values.empty());
        for (std::size_t a = 0; a < batch->channels; ++a) values.push_back(batch->value(i * batch->channels + a));
      }
    }
  }
  return out;
}

class StreamJobTest : public testing::Test {
 protected:
  void SetUp() override { rig.boot(); }
  void start(const std::string& arguments) {
    rig.uart.sent.clear();
    rig.uart.feed("AT+STREAMSTART=" + arguments + "\r");
  }
  void run_for(std::uint64_t us) {
    for (const std::uint64_t end = rig.clock.now_us + us; rig.clock.now_us < end;) rig.step();
  }
  std::string stop() {
    rig.uart.feed("b\r");
    EXPECT_TRUE(rig.run_until_prompt());
    return rig.uart.sent;
  }
  std::string error(const std::string& arguments) { return host_result(rig.command("AT+STREAMSTART=" + arguments)); }
  Rig rig;
};

TEST_F(StreamJobTest, TextIsTheDefaultForRowsAndEndsAtThePrompt) {
  start("Built-in accelerometer,100");
  run_for(1'004'000);
  const std::string sent = stop();
  std::string expected = "AT+STREAMSTART=Built-in accelerometer,100\r\naccX,accY,accZ\r\n";
  for (int k = 0; k < 100; ++k) {
    const std::string number = std::to_string(k);
    expected += number + "," + number + ".25," + number + ".5\r\n";
  }
  EXPECT_EQ(sent, expected + "Stream stopped, readings sent: 100, dropped: 0\r\nOK\r\n> ");
  EXPECT_FALSE(rig.accel.running);
  EXPECT_EQ(host_result(rig.command("AT+DEVICEID?")), "aa:bb:cc:00:00:01");
}

TEST_F(StreamJobTest, FramesCarryTheSessionEveryFiveSeconds) {
  start("Built-in accelerometer,62.5,frames");
  run_for(12'000'000);
  const Frames seen = frames_in(stop());
  EXPECT_EQ(seen.bad, 1U) << "the echo, behind a delimiter of its own";
  ASSERT_EQ(seen.sessions.size(), 3U);
  EXPECT_EQ(seen.sessions[0].hz, 63);
  EXPECT_EQ(seen.sessions[0].channel_names[2].view(), "accZ");
  EXPECT_EQ(seen.sessions[0].name.view(), "Built-in accelerometer");
  EXPECT_EQ(seen.sessions[2].sid, seen.sessions[0].sid);
  EXPECT_EQ(seen.sessions[2].dropped, 0U);
  ASSERT_GE(seen.readings.size(), 749U);
  EXPECT_EQ(seen.readings.rbegin()->first, seen.readings.size() - 1);
  for (const auto& [seq, values] : seen.readings) {
    EXPECT_EQ(values, (std::vector<double>{seq + 0.0, seq + 0.25, seq + 0.5}));
    EXPECT_EQ(seen.stamps.at(seq), (seq + 1) * 16);
  }
}

TEST_F(StreamJobTest, EveryStartIsASessionOfItsOwn) {
  std::set<std::uint32_t> sids;
  for (int i = 0; i < 3; ++i) {
    start("Built-in accelerometer,100,frames");
    run_for(50'000);
    const Frames seen = frames_in(stop());
    ASSERT_EQ(seen.sessions.size(), 1U);
    EXPECT_EQ(seen.readings.begin()->first, 0U);
    sids.insert(seen.sessions[0].sid);
  }
  EXPECT_EQ(sids.size(), 3U);
}

TEST_F(StreamJobTest, AudioIsSentInBatchesAndTheLastOneIsShort) {
  start("Built-in microphone,16000");
  run_for(1'000'000);
  const Frames seen = frames_in(stop());
  ASSERT_GE(seen.readings.size(), 15'900U);
  EXPECT_EQ(seen.readings.rbegin()->first, seen.readings.size() - 1);
  for (const auto& [seq, values] : seen.readings) {
    ASSERT_EQ(values.size(), 1U);
    ASSERT_EQ(values[0], static_cast<std::int16_t>(static_cast<std::uint16_t>(seq * 7 - 1000)));
  }
  EXPECT_GE(seen.stamps.size(), 11U);
  for (const auto& [seq, stamp] : seen.stamps) EXPECT_NEAR(stamp, (seq + 1) / 16.0, 1.0);
  EXPECT_THAT(rig.uart.sent,
              HasSubstr("\r\nStream stopped, readings sent: " + std::to_string(seen.readings.size()) + ", dropped: 0"));
}

TEST_F(StreamJobTest, WhatAFullTransmitterDropsIsExactlyTheGap) {
  for (const std::string form : {"frames", "batch"}) {
    start("Built-in accelerometer,200," + form);
    run_for(500'000);
    rig.uart.capacity = 0;
    run_for(3'000'000);
    rig.uart.capacity = 256;
    run_for(6'000'000);
    const std::string sent = stop();
    const Frames seen = frames_in(sent);
    const std::size_t taken = seen.readings.rbegin()->first + 1;
    const std::size_t missing = taken - seen.readings.size();
    EXPECT_GT(missing, 100U) << form;
    EXPECT_NEAR(static_cast<double>(taken), 1900, 4);
    EXPECT_EQ(seen.sessions.back().dropped, missing);
    EXPECT_THAT(sent, HasSubstr("readings sent: " + std::to_string(seen.readings.size()) +
                                ", dropped: " + std::to_string(missing)));
    for (const auto& [seq, values] : seen.readings) EXPECT_EQ(values[0], seq) << form;
    EXPECT_EQ(rig.app->services().out.dropped_bytes(), 0U);
  }
}

TEST_F(StreamJobTest, NoReadingWaitsLongerThanTheRingHolds) {
  start("Built-in accelerometer,200");
  run_for(100'000);
  rig.uart.capacity = 0;
  run_for(10'000'000);
  rig.uart.capacity = 256;
  const std::size_t before = rig.uart.sent.size();
  run_for(100'000);
  // The ring, the line that did not fit, and twenty new ones.
  EXPECT_LE(rig.uart.sent.size() - before, Output::kCapacity + 21 * 30);
  EXPECT_THAT(stop(), HasSubstr("\r\n2030,2030.25,2030.5\r\n"));
}

TEST_F(StreamJobTest, WhatTheDriverLosesIsExactlyTheGap) {
  for (const std::string form : {"frames", "batch"}) {
    rig.accel.fifo = 8;
    start("Built-in accelerometer,100," + form);
    run_for(200'000);
    rig.clock.now_us += 1'000'000;  // the board was busy elsewhere
    run_for(5'000'000);
    const Frames seen = frames_in(stop());
    std::uint32_t missing = seen.readings.rbegin()->first + 1 - static_cast<std::uint32_t>(seen.readings.size());
    EXPECT_GT(missing, 80U);
    EXPECT_EQ(seen.sessions.back().dropped, missing) << form;
    for (const auto& [seq, values] : seen.readings) EXPECT_EQ(values[0], seq) << form;
    for (const auto& [seq, stamp] : seen.stamps) EXPECT_NEAR(stamp, (seq + 1) * 10, 12) << form;
  }
}

TEST_F(StreamJobTest, ALossDoesNotPutStampsIntoTheFuture) {
  // A driver that cannot tell when a reading was due has its readings stamped from the time they are fetched.
  rig.accel.tells_due = false;
  rig.accel.fifo = 8;
  start("Built-in accelerometer,100,frames");
  run_for(200'000);
  rig.clock.now_us += 1'000'000;
  run_for(1'000'000);
  const Frames seen = frames_in(stop());
  EXPECT_GT(seen.readings.rbegin()->first + 1 - seen.readings.size(), 80U);
  for (const auto& [seq, stamp] : seen.stamps) EXPECT_NEAR(stamp, (seq + 1) * 10, 16);
}

TEST_F(StreamJobTest, SessionInfosDoNotWaitForASlowSensor) {
  start("Built-in accelerometer,0.05,frames");
  run_for(18'000'000);
  const Frames seen = frames_in(rig.uart.sent);
  ASSERT_EQ(seen.sessions.size(), 4U);
  EXPECT_EQ(seen.sessions[0].hz, 1);
  EXPECT_TRUE(seen.readings.empty());
  EXPECT_TRUE(frames_in(stop()).readings.empty());
}

TEST_F(StreamJobTest, AfterALongAbsenceThereIsOneSessionInfo) {
  start("Built-in accelerometer,1,frames");
  run_for(1'000'000);
  rig.clock.now_us += 3'600'000'000;
  run_for(1'000'000);
  EXPECT_EQ(frames_in(stop()).sessions.size(), 2U);
}

TEST_F(StreamJobTest, ASensorThatFallsSilentEndsTheStream) {
  rig.accel.stalls_after = 20;
  start("Built-in accelerometer,100");
  ASSERT_TRUE(rig.run_until_prompt());
  EXPECT_THAT(rig.uart.sent, HasSubstr("\r\n19,19.25,19.5\r\nERR: the sensor stopped giving readings\r\n> "));
  EXPECT_FALSE(rig.accel.running);
}

TEST_F(StreamJobTest, DeviceTimeRunsFasterAndSessionInfosStayInWireTime) {
  rig.clock.speed = 10;
  start("Built-in accelerometer,100,frames");
  run_for(6'000'000);
  const Frames seen = frames_in(stop());
  EXPECT_EQ(seen.sessions.size(), 2U);
  EXPECT_NEAR(static_cast<double>(seen.readings.size()), 6000, 3);
}

TEST_F(StreamJobTest, RefusalsSayWhy) {
  EXPECT_EQ(error("nothing,100"), "ERR: Failed to find sensor 'nothing' in the sensor list");
  EXPECT_EQ(error("Built-in accelerometer"),
            "ERR: Missing argument! Required: AT+STREAMSTART=SENSOR_NAME,HZ,[FORM(text/frames/batch)]");
  EXPECT_EQ(error("Built-in accelerometer,fast"), "ERR: HZ must be a number");
  EXPECT_EQ(error("Built-in accelerometer,201"), "ERR: the rate must be between 0.01 and 200.00 Hz for this sensor");
  EXPECT_EQ(error("Built-in accelerometer,0"), "ERR: the rate must be between 0.01 and 200.00 Hz for this sensor");
  EXPECT_EQ(error("Built-in accelerometer,100,csv"), "ERR: the form must be text, frames or batch");
  rig.accel.refuses = true;
  EXPECT_THAT(error("Built-in accelerometer,100"), StartsWith("ERR: Failed to start streaming"));
}

TEST_F(StreamJobTest, ALineThatIsTooSlowIsRefusedWhereItsRateIsKnown) {
  start("Built-in microphone,16000");
  run_for(100'000);
  EXPECT_THAT(stop(), HasSubstr("OK\r\n> "));
  rig.uart.rate_known = true;
  EXPECT_EQ(error("Built-in microphone,16000"),
            "ERR: the line is too slow: this stream needs about 328845 baud and has 115200, so about 5605 Hz as batch; "
            "lower the rate");
  EXPECT_THAT(error("Built-in microphone,8000,text"), HasSubstr("Hz as text; lower the rate or stream batch"));
  start("Built-in accelerometer,200");
  run_for(100'000);
  EXPECT_THAT(stop(), HasSubstr("OK\r\n> "));
}

}  // namespace
}  // namespace tml::fw::app
