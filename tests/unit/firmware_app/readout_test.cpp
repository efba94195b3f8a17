// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Read-outs: both rates with the exact order of wire reference 1.8 and 1.16, ranges, the hex dump, and a line that is
// never idle.
#include "firmware/app/readout.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/firmware_app/documents.hpp"

namespace tml::fw::app {
namespace {

using test::between;
using test::decode_base64;
using test::host_result;
using test::read_buffer;
using test::Rig;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class ReadOutTest : public testing::Test {
 protected:
  void SetUp() override {
    rig.system.about.transfer_baud = 921600;
    rig.boot();
    rig.command("AT+SAMPLESETTINGS=a,0.0625,1000,k");
    transcript = rig.command("AT+SAMPLESTART=Built-in microphone");
    size = static_cast<std::uint32_t>(std::stoul(between(transcript, "to=", ".")));
    document = read_buffer(rig, transcript);
    ASSERT_EQ(document.size(), size);
    ASSERT_TRUE(test::signature_valid(document, "k"));
  }
  Rig rig{32};
  std::string transcript;
  std::string document;
  std::uint32_t size = 0;
};

TEST_F(ReadOutTest, AtTheNormalRateThereIsOnlyThePayload) {
  for (const char* const flag : {"", ",n"}) {
    const std::string line = "AT+READBUFFER=0," + std::to_string(size) + flag;
    const std::string raw = rig.command(line);
    EXPECT_EQ(raw.substr(0, line.size() + 2), line + "\r\n");
    const std::string payload = raw.substr(line.size() + 2, raw.size() - line.size() - 6);
    EXPECT_THAT(raw, EndsWith("\r\n> "));
    EXPECT_EQ(payload.find_first_of("\r\n"), std::string::npos);
    EXPECT_EQ(decode_base64(payload), document);
    EXPECT_TRUE(rig.uart.baud_changes.empty());
  }
}

TEST_F(ReadOutTest, ReadFileGivesTheSameAndSurvivesAReset) {
  rig.boot();
  EXPECT_EQ(decode_base64(host_result(rig.command("AT+READFILE=/fs/a.1,n"))), document);
  EXPECT_EQ(read_buffer(rig, transcript), document);
}

TEST_F(ReadOutTest, RangesStartAnywhere) {
  for (const auto& [start, length] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
           {0, 1}, {1, 513}, {3839, 2}, {5000, 7777}, {size - 1, 1}, {size, 0}}) {
    const std::string line = "AT+READBUFFER=" + std::to_string(start) + "," + std::to_string(length) + ",n";
    EXPECT_EQ(decode_base64(host_result(rig.command(line))), document.substr(start, length)) << line;
  }
  EXPECT_THAT(host_result(rig.command("AT+READBUFFER=1," + std::to_string(size))),
              StartsWith("ERR: Failed to read from buffer: the newest sample has"));
}

TEST_F(ReadOutTest, FastRateFollowsTheChoreography) {
  const std::string line = "AT+READBUFFER=0," + std::to_string(size) + ",y";
  const std::string raw = rig.command(line);
  const std::string head = line + "\r\nOK\r\n";
  ASSERT_THAT(raw, StartsWith(head));
  ASSERT_THAT(raw, EndsWith("\r\nOK\r\n\r\n> "));
  EXPECT_EQ(decode_base64(raw.substr(head.size(), raw.size() - head.size() - 10)), document);
  ASSERT_EQ(rig.uart.baud_changes.size(), 2U);
  const auto [up_us, up_baud] = rig.uart.baud_changes[0];
  const auto [down_us, down_baud] = rig.uart.baud_changes[1];
  EXPECT_EQ(up_baud, 921600U);
  EXPECT_EQ(down_baud, 115200U);
  std::string slow_before;
  std::string fast;
  std::string slow_after;
  std::uint64_t ok_us = 0;
  std::uint64_t first_fast_us = 0;
  std::uint64_t last_fast_us = 0;
  int ok_writes = 0;
  for (const auto& write : rig.uart.writes) {
    if (write.baud == 921600) {
      if (fast.empty()) first_fast_us = write.at_us;
      last_fast_us = write.at_us;
      fast += write.bytes;
    } else if (fast.empty()) {
      slow_before += write.bytes;
      if (write.bytes == "OK\r\n") ++ok_writes, ok_us = write.at_us;
    } else {
      if (slow_after.empty()) EXPECT_GE(write.at_us, down_us + 100'000);
      slow_after += write.bytes;
    }
  }
  EXPECT_EQ(slow_before, head);
  EXPECT_EQ(ok_writes, 1) << "OK and its line end in one write";
  EXPECT_THAT(fast, EndsWith("\r\nOK\r\n"));
  EXPECT_EQ(slow_after, "\r\n> ");
  EXPECT_GE(up_us, ok_us + 100'000);
  EXPECT_GE(first_fast_us, up_us + 100'000);
  EXPECT_GE(down_us, last_fast_us + 100'000);
  EXPECT_EQ(rig.uart.baud, 115200U);
}

TEST_F(ReadOutTest, StoppedAtEitherRateComesBackToThePrompt) {
  for (const char* const flag : {"n", "y"}) {
    rig.uart.sent.clear();
    rig.uart.feed("AT+READBUFFER=0," + std::to_string(size) + "," + flag + "\r");
    for (int i = 0; i < 400 && rig.uart.sent.size() < 3000; ++i) rig.step();
    rig.uart.feed("b\r");
    ASSERT_TRUE(rig.run_until_prompt());
    EXPECT_LT(rig.uart.sent.size(), 20000U);
    EXPECT_THAT(rig.uart.sent, HasSubstr("\r\nERR: read-out stopped\r\n"));
    EXPECT_EQ(rig.uart.baud, 115200U);
    EXPECT_EQ(host_result(rig.command("AT+DEVICEID?")), "aa:bb:cc:00:00:01");
  }
}

TEST_F(ReadOutTest, TheLineIsNeverIdleDuringThePayload) {
  rig.uart.sent.clear();
  rig.uart.feed("AT+READBUFFER=0," + std::to_string(size) + ",n\r");
  for (int i = 0; i < 20 && rig.uart.sent.size() < 100; ++i) rig.step();
  std::size_t starved = 0;
  std::size_t polls = 0;
  while (!rig.uart.sent.ends_with("> ")) {
    (void)rig.app->poll();
    // A transmitter of 256 bytes that empties between two polls is full again after each, until the end.
    if (rig.uart.in_flight < rig.uart.capacity) ++starved;
    rig.uart.in_flight = 0;
    ASSERT_LT(++polls, 10'000U);
  }
  EXPECT_LE(starved, 3U);
}

TEST_F(ReadOutTest, HexDumpIsSixteenBytesPerLine) {
  const std::string text = host_result(rig.command("AT+READRAW=4,40"));
  std::string expected;
  for (std::size_t i = 0; i < 40; ++i) {
    constexpr char kDigits[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(document[4 + i]);
    if (i > 0) expected += i % 16 == 0 ? "\r\n" : " ";
    expected += kDigits[byte >> 4];
    expected += kDigits[byte & 15];
  }
  EXPECT_EQ(text, expected);
  rig.uart.sent.clear();
  rig.uart.feed("AT+READRAW=0," + std::to_string(size) + "\r");
  for (int i = 0; i < 10; ++i) rig.step();
  rig.uart.feed("b\r");
  ASSERT_TRUE(rig.run_until_prompt());
  EXPECT_THAT(rig.uart.sent, EndsWith("ERR: read-out stopped\r\n> "));
}

TEST_F(ReadOutTest, ReadBufferIsTheNewestCommittedSample) {
  rig.command("AT+SAMPLESETTINGS=b,10,500,k");
  const std::string second = rig.command("AT+SAMPLESTART=Built-in accelerometer");
  const std::string newest = read_buffer(rig, second);
  EXPECT_NE(newest, document);
  rig.boot();
  EXPECT_EQ(read_buffer(rig, second), newest);
  EXPECT_EQ(host_result(rig.command("AT+UNLINKFILE=/fs/b.2")), "");
  EXPECT_EQ(read_buffer(rig, transcript), document);
}

/// What a mount would find of the newest file's mark.
bool marked(Rig& rig) {
  const hal::FlashRegion region{2 * hal::kFlashSectorBytes, 32 * hal::kFlashSectorBytes};
  SampleStore store(rig.flash, region);
  store.mount();
  return store.newest()->read_out;
}

class ReadMark : public ReadOutTest {
 protected:
  /// A sample that nobody has read.
  void SetUp() override {
    ReadOutTest::SetUp();
    rig.command("AT+SAMPLESETTINGS=b,10,2000,k");
    size = static_cast<std::uint32_t>(
        std::stoul(between(rig.command("AT+SAMPLESTART=Built-in accelerometer"), "to=", ".")));
    ASSERT_FALSE(marked(rig));
  }
  void read(std::uint32_t from, std::uint32_t to) {
    rig.command("AT+READBUFFER=" + std::to_string(from) + "," + std::to_string(to - from) + ",n");
  }
};

TEST_F(ReadMark, AReadFileMarks) {
  rig.command("AT+READFILE=/fs/b.2,n");
  EXPECT_TRUE(marked(rig));
}

TEST_F(ReadMark, AReadOutAtTheFastRateMarks) {
  rig.command("AT+READFILE=/fs/b.2,y");
  EXPECT_TRUE(marked(rig));
}

TEST_F(ReadMark, OneReadBufferOfAllMarks) {
  read(0, size);
  EXPECT_TRUE(marked(rig));
}

TEST_F(ReadMark, RangesThatFollowOnMark) {
  read(0, 1000);
  read(1000, 1500);
  read(1200, 2000);
  EXPECT_FALSE(marked(rig));
  read(2000, size);
  EXPECT_TRUE(marked(rig));
}

TEST_F(ReadMark, RangesWithAGapDoNot) {
  read(0, 1000);
  read(1001, size);
  EXPECT_FALSE(marked(rig));
  read(size - 1, size);
  EXPECT_FALSE(marked(rig));
  read(1000, size);
  EXPECT_TRUE(marked(rig));
}

TEST_F(ReadMark, RangesOfTwoFilesAreNotAddedUp) {
  read(0, 1000);
  rig.command("AT+READFILE=/fs/a.1,n");
  read(1000, size);
  EXPECT_FALSE(marked(rig));
}

TEST_F(ReadMark, RangesBeforeAResetDoNotCount) {
  read(0, 1000);
  rig.boot();
  read(1000, size);
  EXPECT_FALSE(marked(rig));
}

TEST_F(ReadMark, TheHexDumpDoesNot) {
  rig.command("AT+READRAW=0," + std::to_string(size));
  EXPECT_FALSE(marked(rig));
}

TEST_F(ReadMark, OnlyWhenTheLastByteHasLeftTheBoard) {
  rig.uart.sent.clear();
  rig.uart.feed("AT+READFILE=/fs/b.2,n\r");
  const std::string last = "\r\n> ";
  bool seen = false;
  while (!rig.uart.sent.ends_with(last)) {
    const bool payload_sent = rig.uart.sent.size() > size && rig.uart.sent.ends_with("\r\n") && rig.uart.in_flight == 0;
    const bool before = marked(rig);
    seen = seen || payload_sent;
    EXPECT_LE(before, seen);
    rig.step();
  }
  EXPECT_TRUE(seen);
  EXPECT_TRUE(marked(rig));
}

TEST_F(ReadMark, AStoppedOrFailedReadOutDoesNot) {
  rig.uart.sent.clear();
  rig.uart.feed("AT+READBUFFER=0," + std::to_string(size) + ",n\r");
  for (int i = 0; i < 400 && rig.uart.sent.size() < 300; ++i) rig.step();
  rig.uart.feed("b\r");
  ASSERT_TRUE(rig.run_until_prompt());
  EXPECT_FALSE(marked(rig));
  rig.uart.sent.clear();
  rig.uart.feed("AT+READBUFFER=0," + std::to_string(size) + ",y\r");
  ASSERT_TRUE(rig.run_until_sent("OK\r\n"));
  rig.flash.powered = false;
  ASSERT_TRUE(rig.run_until_prompt());
  rig.flash.repower();
  EXPECT_FALSE(marked(rig));
}

TEST(ForgetfulHost, CapturesForeverOnASmallBoard) {
  Rig rig(26);
  rig.boot();
  rig.command("AT+SAMPLESETTINGS=clip,0.0625,1000,k");
  for (int i = 1; i <= 12; ++i) {
    const std::string transcript = rig.command("AT+SAMPLESTART=Built-in microphone");
    ASSERT_THAT(transcript, testing::Not(HasSubstr("ERR:"))) << i;
    ASSERT_TRUE(test::signature_valid(read_buffer(rig, transcript), "k")) << i;
    if (i % 5 == 0) rig.boot();
  }
}

TEST(ForgetfulHost, AHostThatNeverReadsIsToldThatTheBoardIsFull) {
  Rig rig(26);
  rig.boot();
  rig.command("AT+SAMPLESETTINGS=clip,0.0625,1000,k");
  std::string transcript;
  int stored = -1;
  do {
    transcript = rig.command("AT+SAMPLESTART=Built-in microphone");
    ++stored;
  } while (transcript.find("ERR:") == std::string::npos && stored < 10);
  EXPECT_EQ(stored, 3) << "of 8 sectors each";
  EXPECT_THAT(host_result(transcript), HasSubstr("not enough flash"));
  const std::string files = host_result(rig.command("AT+LISTFILES"));
  EXPECT_THAT(files, HasSubstr("/fs/clip.1"));
  EXPECT_THAT(files, HasSubstr("/fs/clip.3"));
}

TEST_F(ReadOutTest, FlashFailureInTheMiddleIsReported) {
  rig.uart.sent.clear();
  rig.uart.feed("AT+READBUFFER=0," + std::to_string(size) + ",y\r");
  ASSERT_TRUE(rig.run_until_sent("OK\r\n"));
  for (int i = 0; i < 20; ++i) rig.step();
  rig.flash.powered = false;
  ASSERT_TRUE(rig.run_until_prompt());
  EXPECT_THAT(rig.uart.sent, HasSubstr("ERR: Failed to read from buffer: the flash does not answer\r\nOK\r\n"));
  EXPECT_EQ(rig.uart.baud, 115200U);
}

}  // namespace
}  // namespace tml::fw::app
