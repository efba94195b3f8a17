// SPDX-License-Identifier: Apache-2.0
#include "forwarder/byte_log.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "common/base/file.hpp"
#include "forwarder/recorder.hpp"
#include "tests/support/run_on.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::forwarder {
namespace {

using namespace std::chrono_literals;

std::string small_log() {
  std::string log;
  ByteLogWriter::begin(log);
  ByteLogWriter writer;
  writer.add(LogKind::information, 1s, R"({"device":"d"})", log);
  writer.add(LogKind::data, 1s + 500us, "1,2\n", log);
  writer.add(LogKind::interruption, 1s + 500us, {}, log);
  return log;
}

TEST(ByteLog, TheDocumentedBytes) {
  // docs/tml-forwarder.md, "Byte log".
  const std::string expected(
      "TMLBLOG1"
      "\x69\x80\x94\xeb\xdc\x03\x0e{\"device\":\"d\"}\xc3\xc4"
      "\x64\xa0\xc2\x1e\x04"
      "1,2\n\x8e\xe1"
      "\x62\x00\x00\xc6\x89",
      8 + 23 + 11 + 5);
  EXPECT_EQ(small_log(), expected);
}

TEST(ByteLog, ARecordingOfABoardThatSaidNothingBeforeItWasUnplugged) {
  const test::TempDir folder;
  const std::string path = (folder / "log").string();
  boost::asio::io_context io;
  auto recorder = Recorder::create(path, io.get_executor(), {});
  ASSERT_TRUE(recorder);
  (*recorder)->interruption();
  (*recorder)->begin(R"({"device":"d"})", 1s);
  ASSERT_TRUE(test::run_on(io, (*recorder)->close()));
  auto log = read_file(path, 1000);
  ASSERT_TRUE(log);
  ByteLogReader reader;
  reader.push(*log);
  auto record = reader.next();
  ASSERT_TRUE(record && *record) << record.error().message();
  EXPECT_EQ((*record)->kind, 'i');
}

TEST(ByteLog, NoLogAtAll) {
  ByteLogReader reader;
  reader.push("1,2,3\n4,5,6\n");
  const auto record = reader.next();
  ASSERT_FALSE(record);
  EXPECT_EQ(record.error().code, Errc::malformed);
  EXPECT_EQ(record.error().where, "byte 0");
}

TEST(ByteLog, ADamagedByteIsFoundAndWhatCameBeforeIsGood) {
  const std::string log = small_log();
  for (std::size_t at = 8; at < log.size(); ++at) {
    std::string bad = log;
    bad[at] = static_cast<char>(bad[at] ^ 0x20);
    ByteLogReader reader;
    reader.push(bad);
    std::size_t good = 0;
    while (true) {
      const auto record = reader.next();
      if (!record || !record->has_value()) break;
      ++good;
    }
    EXPECT_LT(good, 3U) << at;
  }
}

TEST(ByteLog, ATornEndCostsOneRecord) {
  const std::string log = small_log();
  for (std::size_t size = 8; size < log.size(); ++size) {
    ByteLogReader reader;
    reader.push(std::string_view(log).substr(0, size));
    std::size_t good = 0;
    while (true) {
      const auto record = reader.next();
      ASSERT_TRUE(record) << size;
      if (!record->has_value()) break;
      ++good;
    }
    EXPECT_EQ(good, size < 31 ? 0U : size < 42 ? 1U : 2U) << size;
  }
}

RC_GTEST_PROP(ByteLogProperty, WhatWasWrittenIsReadHoweverItIsCut,
              (std::vector<std::pair<std::uint32_t, std::string>> records, std::uint8_t cut)) {
  std::string log;
  ByteLogWriter::begin(log);
  ByteLogWriter writer;
  stream::Time at{0};
  std::vector<stream::Time> times;
  for (const auto& [step, payload] : records) {
    at += stream::Time(step);
    times.push_back(at);
    writer.add(LogKind::data, at, payload, log);
  }
  ByteLogReader reader;
  std::size_t count = 0;
  const std::size_t piece = 1 + cut;
  for (std::size_t begin = 0; begin < log.size(); begin += piece) {
    reader.push(std::string_view(log).substr(begin, piece));
    while (true) {
      const auto record = reader.next();
      RC_ASSERT(record.has_value());
      if (!record->has_value()) break;
      RC_ASSERT((*record)->payload == records[count].second);
      RC_ASSERT((*record)->at == times[count]);
      ++count;
    }
  }
  RC_ASSERT(count == records.size());
  RC_ASSERT(reader.torn_bytes() == 0U);
}

TEST(Recorder, WritesBatchesAndInterruptions) {
  const test::TempDir folder;
  boost::asio::io_context io;
  auto recorder = Recorder::create((folder / "log").string(), io.get_executor(), {});
  ASSERT_TRUE(recorder);
  (*recorder)->begin(R"({"device":"d"})", 1s);
  Batch batch;
  const std::string line = "1,2\n";
  batch.append(std::as_bytes(std::span(line)), 1s + 500us);
  (*recorder)->add(batch);
  (*recorder)->interruption();
  ASSERT_TRUE(test::run_on(io, (*recorder)->close()));
  EXPECT_EQ(*read_file(folder / "log", 1000), small_log());
}

TEST(Recorder, NamesTheFileThatItCannotMake) {
  boost::asio::io_context io;
  const auto recorder = Recorder::create("/nowhere/log", io.get_executor(), {});
  ASSERT_FALSE(recorder);
  EXPECT_EQ(recorder.error().where, "/nowhere/log");
}

TEST(Recorder, TellsAFailedWriteAtOnceAndOnce) {
  boost::asio::io_context io;
  std::vector<Error> told;
  auto recorder =
      Recorder::create("/dev/full", io.get_executor(), [&told](const Error& error) { told.push_back(error); });
  ASSERT_TRUE(recorder);
  (*recorder)->begin(R"({"device":"d"})", 1s);
  (*recorder)->interruption();
  const auto guard = boost::asio::make_work_guard(io);
  while (told.empty()) io.run_one();
  EXPECT_EQ(told[0].code, Errc::disk_full);
  EXPECT_EQ(told[0].where, "/dev/full");
  (*recorder)->interruption();
  const auto closed = test::run_on(io, (*recorder)->close());
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().code, Errc::disk_full);
  EXPECT_EQ(told.size(), 1U);
}

}  // namespace
}  // namespace tml::forwarder
