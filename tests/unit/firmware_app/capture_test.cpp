// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Sampling: transcript (wire reference 1.9), timing, documents (6.3 to 6.5) and their signatures, and everything that
// can go wrong.
#include "firmware/app/capture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "common/wire/cbor.hpp"
#include "tests/unit/firmware_app/documents.hpp"

namespace tml::fw::app {
namespace {

using test::between;
using test::host_result;
using test::read_buffer;
using test::Rig;
using test::signature_valid;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class CaptureTest : public testing::Test {
 protected:
  void SetUp() override { rig.boot(); }
  std::string sample(const std::string& sensor) { return rig.command("AT+SAMPLESTART=" + sensor); }
  Rig rig{64};
};

TEST_F(CaptureTest, TranscriptIsTheCanonicalOne) {
  rig.command("AT+SAMPLESETTINGS=wave,10,1000,fed53116f20684c067774ebf9e7bcbdc");
  const std::string raw = sample("Built-in accelerometer");
  const std::string size = between(raw, "total bytes collected: ", "\r\n");
  EXPECT_EQ(raw,
            "AT+SAMPLESTART=Built-in accelerometer\r\n"
            "Sampling settings:\r\n"
            "\tInterval: 10.00000 ms.\r\n"
            "\tLength: 1000 ms.\r\n"
            "\tName: wave\r\n"
            "\tHMAC Key: fed53116f20684c067774ebf9e7bcbdc\r\n"
            "\tFile name: /fs/wave.1\r\n"
            "Starting in 2000 ms... (or until all flash was erased)\r\n"
            "Sampling...\r\n"
            "Done sampling, total bytes collected: " +
                size +
                "\r\n"
                "[1/1] Uploading file to Edge Impulse...\r\n"
                "Not uploading file, not connected to WiFi. Used buffer, from=0, to=" +
                size +
                ".\r\n"
                "[1/1] Uploading file to Edge Impulse OK (took 0 ms.)\r\n"
                "OK\r\n"
                "> ");
  EXPECT_EQ(host_result(rig.command("AT+LISTFILES")), "/fs/wave.1");
}

TEST_F(CaptureTest, HostGetsTwoSecondsOfDeviceTimeBeforeTheFirstReading) {
  for (const std::uint64_t speed : {1U, 20U}) {
    rig.clock.speed = speed;
    rig.uart.sent.clear();
    rig.uart.writes.clear();
    sample("Built-in accelerometer");
    std::uint64_t settings_us = 0;
    std::uint64_t sampling_us = 0;
    std::uint64_t done_us = 0;
    for (const auto& write : rig.uart.writes) {
      if (write.bytes.find("Starting in") != std::string::npos) settings_us = write.at_us;
      if (write.bytes.find("Sampling...") != std::string::npos) sampling_us = write.at_us;
      if (write.bytes.find("Done sampling") != std::string::npos) done_us = write.at_us;
    }
    EXPECT_GE((sampling_us - settings_us) * speed, 2'000'000U);
    EXPECT_GE((done_us - sampling_us) * speed, 10'000'000U) << "10 s of readings take 10 s";
    EXPECT_LE((done_us - sampling_us) * speed, 10'100'000U);
  }
}

TEST_F(CaptureTest, AccelerometerDocumentIsSignedCbor) {
  const std::string key = "fed53116f20684c067774ebf9e7bcbdc";
  rig.command("AT+SAMPLESETTINGS=wave,16,800," + key);
  const std::string document = read_buffer(rig, sample("Built-in accelerometer"));
  EXPECT_TRUE(signature_valid(document, key));
  EXPECT_FALSE(signature_valid(document, "another"));
  wire::CborReader reader(wire::as_bytes(document));
  ASSERT_TRUE(reader.enter_map());
  EXPECT_EQ(reader.read_text().value_or(""), "protected");
  ASSERT_TRUE(reader.skip_value());
  EXPECT_EQ(reader.read_text().value_or(""), "signature");
  ASSERT_TRUE(reader.skip_value());
  EXPECT_EQ(reader.read_text().value_or(""), "payload");
  ASSERT_TRUE(reader.enter_map());
  EXPECT_EQ(reader.read_text().value_or(""), "device_name");
  EXPECT_EQ(reader.read_text().value_or(""), "aa:bb:cc:00:00:01");
  EXPECT_EQ(reader.read_text().value_or(""), "device_type");
  EXPECT_EQ(reader.read_text().value_or(""), "TML_TEST");
  EXPECT_EQ(reader.read_text().value_or(""), "interval_ms");
  EXPECT_EQ(reader.read_number().value_or(0), 16.0);
  EXPECT_EQ(reader.read_text().value_or(""), "sensors");
  ASSERT_TRUE(reader.skip_value());
  EXPECT_EQ(reader.read_text().value_or(""), "values");
  ASSERT_TRUE(reader.enter_array());
  for (int k = 0; k < 50; ++k) {
    ASSERT_TRUE(reader.enter_array()) << k;
    for (int a = 0; a < 3; ++a) EXPECT_EQ(reader.read_number().value_or(-1), k + a * 0.25);
    ASSERT_TRUE(reader.take_end().value_or(false));
  }
  ASSERT_TRUE(reader.take_end().value_or(false)) << "50 readings, no more";
}

TEST_F(CaptureTest, MicrophoneDocumentIsBulkBinary) {
  rig.command("AT+SAMPLESETTINGS=noise,0.0625,2000,k");
  const std::string document = read_buffer(rig, sample("Built-in microphone"));
  EXPECT_TRUE(signature_valid(document, "k"));
  EXPECT_THAT(document, HasSubstr("Ref-BINARY-i16"));
  const std::size_t audio_at = document.size() - 32000 * 2;
  EXPECT_EQ(static_cast<unsigned char>(document[audio_at - 1]), 0xFF);
  EXPECT_EQ(audio_at % 4, 0U);
  for (std::size_t k = 0; k < 32000; ++k) {
    std::uint16_t sample = static_cast<unsigned char>(document[audio_at + 2 * k]);
    sample = static_cast<std::uint16_t>(sample | static_cast<unsigned char>(document[audio_at + 2 * k + 1]) << 8);
    ASSERT_EQ(sample, static_cast<std::uint16_t>(k * 7 - 1000)) << k;
  }
}

TEST_F(CaptureTest, SingleAxisSensorAndUnusualRates) {
  rig.command("AT+SAMPLESETTINGS=t,80,400,k");
  const std::string document = read_buffer(rig, sample("Environmental"));
  EXPECT_TRUE(signature_valid(document, "k"));
  EXPECT_THAT(document, HasSubstr(std::string("values\x9f\x00\xf9\x3c\x00", 11).substr(0, 7)));
  rig.command("AT+SAMPLESETTINGS=odd,7.5,300,k");
  EXPECT_THAT(sample("Built-in accelerometer"), HasSubstr("Interval: 7.50000 ms."));
}

TEST_F(CaptureTest, AnyKeySignsAsTheTextItIs) {
  const std::string keys[] = {"", "please-set-me", "0", std::string(32, 'K'), "with space"};
  for (const std::string& key : keys) {
    rig.command("AT+SAMPLESETTINGS=a,10,100," + key);
    EXPECT_TRUE(signature_valid(read_buffer(rig, sample("Built-in accelerometer")), key)) << key;
  }
}

TEST_F(CaptureTest, EachDocumentHasItsOwnNonce) {
  std::set<std::string> documents;
  rig.command("AT+SAMPLESETTINGS=a,10,100,k");
  for (int i = 0; i < 5; ++i) documents.insert(read_buffer(rig, sample("Built-in accelerometer")));
  EXPECT_EQ(documents.size(), 5U);
}

TEST_F(CaptureTest, FileNamesAreSafe) {
  rig.command("AT+SAMPLESETTINGS=a/b:c>d,10,100,k");
  EXPECT_THAT(sample("Built-in accelerometer"), HasSubstr("File name: /fs/a_b_c_d.1\r\n"));
  rig.command("AT+SAMPLESETTINGS=,10,100,k");
  EXPECT_THAT(sample("Built-in accelerometer"), HasSubstr("File name: /fs/sample.2\r\n"));
  EXPECT_EQ(file_label("plain-Label_1.5").view(), "plain-Label_1.5");
}

TEST_F(CaptureTest, RefusalsNameTheLimit) {
  rig.command("AT+SAMPLESETTINGS=a,1,100,k");
  EXPECT_EQ(host_result(sample("Built-in accelerometer")),
            "ERR: an interval of 1.00000 ms is too short for this sensor, the shortest is 5.00000 ms");
  rig.command("AT+SAMPLESETTINGS=a,10,300001,k");
  EXPECT_EQ(host_result(sample("Built-in accelerometer")),
            "ERR: a length of 300001 ms is too long for this sensor, the longest is 300000 ms");
  EXPECT_EQ(host_result(sample("nothing")), "ERR: Failed to find sensor 'nothing' in the sensor list");
  EXPECT_EQ(host_result(sample("")), "ERR: Missing sensor name!");
}

TEST_F(CaptureTest, FullFlashNamesTheRemedy) {
  rig.command("AT+SAMPLESETTINGS=a,0.0625,10000,k");
  EXPECT_THAT(host_result(sample("Built-in microphone")),
              testing::AllOf(StartsWith("ERR: not enough flash"), HasSubstr("AT+UNLINKFILE")));
  rig.command("AT+SAMPLESETTINGS=a,0.0625,3000,k");
  EXPECT_THAT(sample("Built-in microphone"), HasSubstr("/fs/a.1"));
  EXPECT_THAT(sample("Built-in microphone"), HasSubstr("/fs/a.2"));
  EXPECT_THAT(host_result(sample("Built-in microphone")), StartsWith("ERR: not enough flash"));
  EXPECT_EQ(host_result(rig.command("AT+UNLINKFILE=/fs/a.1")), "");
  EXPECT_THAT(sample("Built-in microphone"), HasSubstr("/fs/a.3"));
  EXPECT_EQ(host_result(rig.command("AT+LISTFILES")), "/fs/a.2\r\n/fs/a.3");
  EXPECT_EQ(host_result(rig.command("AT+CLEARFILES")),
            "Clearing file system...\r\nUnlinked '/fs/a.2'\r\nUnlinked '/fs/a.3'");
  EXPECT_EQ(host_result(rig.command("AT+LISTFILES")), "");
}

TEST_F(CaptureTest, StoppedByB) {
  rig.command("AT+SAMPLESETTINGS=a,10,60000,k");
  for (const char* const moment : {"Starting in", "Sampling..."}) {
    rig.uart.sent.clear();
    rig.uart.feed("AT+SAMPLESTART=Built-in accelerometer\r");
    ASSERT_TRUE(rig.run_until_sent(moment));
    rig.uart.feed("b\r");
    ASSERT_TRUE(rig.run_until_prompt());
    EXPECT_THAT(rig.uart.sent, testing::EndsWith("ERR: sampling stopped\r\n> "));
    EXPECT_FALSE(rig.accel.running);
    for (int i = 0; i < 50; ++i) rig.step();
    EXPECT_THAT(rig.uart.sent, testing::EndsWith("ERR: sampling stopped\r\n> "))
        << "the CR behind b makes no second prompt";
  }
  EXPECT_EQ(host_result(rig.command("AT+LISTFILES")), "");
  rig.command("AT+SAMPLESETTINGS=a,10,100,k");
  EXPECT_TRUE(signature_valid(read_buffer(rig, sample("Built-in accelerometer")), "k"));
}

TEST_F(CaptureTest, LostReadingsDropTheSample) {
  rig.accel.fifo = 0;
  EXPECT_THAT(host_result(sample("Built-in accelerometer")),
              HasSubstr("ERR: the flash was too slow: 1 readings lost, the sample was dropped"));
  EXPECT_EQ(host_result(rig.command("AT+LISTFILES")), "");
}

TEST_F(CaptureTest, SensorThatFails) {
  rig.accel.refuses = true;
  EXPECT_THAT(host_result(sample("Built-in accelerometer")), HasSubstr("ERR: Failed to start sampling"));
  rig.accel.refuses = false;
  rig.accel.stalls_after = 50;
  EXPECT_THAT(host_result(sample("Built-in accelerometer")), HasSubstr("ERR: the sensor stopped giving readings"));
  EXPECT_FALSE(rig.accel.running);
}

TEST_F(CaptureTest, FlashThatFails) {
  rig.command("AT+SAMPLESETTINGS=a,10,2000,k");
  rig.flash.operations = 0;
  for (std::uint64_t i = 0; i < 30; i += 3) {
    rig.flash.repower();
    rig.flash.cut_at = i;
    EXPECT_THAT(host_result(sample("Built-in accelerometer")), testing::AnyOf(HasSubstr("ERR: "), HasSubstr("OK")))
        << i;
    rig.boot();
  }
}

TEST_F(CaptureTest, CycleRecordsASamplePerInterval) {
  EXPECT_THAT(host_result(rig.command("AT+STARTINGESTIONCYCLE")), StartsWith("ERR: no cycle is set"));
  rig.command("AT+SAMPLESETTINGS=c,10,1000,k");
  rig.command("AT+INGESTIONCYCLESETTINGS=Built-in accelerometer,15000,500");
  EXPECT_THAT(host_result(rig.command("AT+STARTINGESTIONCYCLE")), StartsWith("ERR: the sample length"));
  rig.command("AT+INGESTIONCYCLESETTINGS=Built-in accelerometer,15000,5000");
  const std::uint64_t start_us = rig.clock.now_us;
  const std::string raw = rig.command("AT+STARTINGESTIONCYCLE");
  EXPECT_THAT(raw, HasSubstr("Cycle 3 of 3\r\n"));
  EXPECT_THAT(raw, HasSubstr("Cycle finished\r\nOK\r\n> "));
  EXPECT_THAT(raw, Not(HasSubstr("ERR:")));
  EXPECT_GE(rig.clock.now_us - start_us, 10'000'000U);
  EXPECT_EQ(host_result(rig.command("AT+LISTFILES")), "/fs/c.1\r\n/fs/c.2\r\n/fs/c.3");
}

TEST_F(CaptureTest, CycleIsStoppedByB) {
  rig.command("AT+SAMPLESETTINGS=c,10,1000,k");
  rig.command("AT+INGESTIONCYCLESETTINGS=Built-in accelerometer,60000,5000");
  rig.uart.sent.clear();
  rig.uart.feed("AT+STARTINGESTIONCYCLE\r");
  ASSERT_TRUE(rig.run_until_sent("Cycle 2 of 12"));
  rig.uart.feed("b\r");
  ASSERT_TRUE(rig.run_until_prompt());
  EXPECT_THAT(rig.uart.sent, testing::EndsWith("ERR: sampling stopped\r\n> "));
  EXPECT_EQ(host_result(rig.command("AT+LISTFILES")), "/fs/c.1");
}

}  // namespace
}  // namespace tml::fw::app
