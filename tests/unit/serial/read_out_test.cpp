// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <gtest/gtest.h>

#include <random>

#include "common/serial/at_session.hpp"
#include "common/wire/bytes.hpp"
#include "tests/unit/serial/fake_board.hpp"

namespace tml::serial {
namespace {

using testing::FakeBoard;
using testing::run;
using namespace std::chrono_literals;

std::string random_bytes(std::size_t size) {
  std::mt19937 random(7);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

struct Bench {
  explicit Bench(FakeBoard::Config config = {}, std::size_t size = 28'000) : board(std::move(config)), session(board) {
    board.sample = random_bytes(size);
  }
  void meet() {
    ASSERT_TRUE(run(session.connect()));
    ASSERT_TRUE(run(session.config()));
    ASSERT_TRUE(run(session.info()));
  }
  std::string text(const std::vector<std::byte>& bytes) const { return std::string(wire::as_text(bytes)); }
  std::size_t reads() const {
    std::size_t count = 0;
    for (const std::string& line : board.executed) count += line.starts_with("AT+READ") ? 1 : 0;
    return count;
  }
  FakeBoard board;
  AtSession session;
};

/// Applies `edit` to the first `times` payloads.
std::function<std::string(std::string)> first_times(int times, std::function<std::string(std::string)> edit) {
  return [left = times, edit = std::move(edit)](std::string text) mutable {
    return left-- > 0 ? edit(std::move(text)) : text;
  };
}

TEST(ReadOut, BufferComesWhole) {
  Bench bench;
  bench.meet();
  std::vector<std::uint64_t> told;
  const auto bytes =
      run(bench.session.read_buffer(0, 28'000, [&told](std::uint64_t good, std::uint64_t) { told.push_back(good); }));
  ASSERT_TRUE(bytes) << bytes.error().message();
  EXPECT_EQ(bench.text(*bytes), bench.board.sample);
  EXPECT_EQ(bench.reads(), 1U);
  EXPECT_EQ(told.back(), 28'000U);
}

TEST(ReadOut, SizesAroundTheGroupsAndEmpty) {
  for (std::size_t size : {0U, 1U, 2U, 3U, 4U, 23U, 24U, 25U, 26U, 100U}) {
    Bench bench({}, size);
    bench.meet();
    const auto bytes = run(bench.session.read_buffer(0, size));
    ASSERT_TRUE(bytes) << size << " " << bytes.error().message();
    EXPECT_EQ(bench.text(*bytes), bench.board.sample);
  }
}

TEST(ReadOut, PayloadThatSpellsOkIsData) {
  // "OKOK" in base64 is 38 a2 8a.
  Bench bench({}, 3);
  bench.board.sample = "\x38\xa2\x8a";
  bench.meet();
  const auto bytes = run(bench.session.read_buffer(0, 3));
  ASSERT_FALSE(bytes && bench.text(*bytes) != bench.board.sample);
}

TEST(ReadOut, SwitchesToTheFastRateAndBack) {
  for (const bool split : {false, true}) {
    FakeBoard::Config config;
    config.fast_baud = 921'600;
    config.split_ok = split;
    config.max_chunk = split ? 1 : 4096;
    config.frame = split ? 50us : 1ms;
    Bench bench(config);
    bench.meet();
    bench.board.bauds.clear();
    const auto start = bench.board.clock_.steady();
    AtOptions once;
    once.readout_attempts = 1;
    AtSession session(bench.board, once);
    session.set_device({1, 8, 0}, 921'600, {"ranges"});
    ASSERT_TRUE(run(session.connect()));
    const auto bytes = run(session.read_buffer(0, 28'000));
    ASSERT_TRUE(bytes) << bytes.error().message();
    EXPECT_EQ(bench.text(*bytes), bench.board.sample);
    EXPECT_EQ(bench.board.bauds, (std::vector<std::uint32_t>{921'600, 115'200}));
    EXPECT_EQ(bench.board.executed.back(), "AT+READBUFFER=0,28000,y");
    EXPECT_LE(bench.board.clock_.steady() - start, 1s);
    EXPECT_TRUE(run(bench.session.config()));
  }
}

TEST(ReadOut, NoFastRateMeansNoForTheNewerGenerationAndNothingForTheOlder) {
  for (const auto& [version, line] :
       {std::pair{"1.8.0", "AT+READBUFFER=0,28000,n"}, std::pair{"1.6.0", "AT+READBUFFER=0,28000,n"},
        std::pair{"1.5.0", "AT+READBUFFER=0,28000"}, std::pair{"1.3.0", "AT+READBUFFER=0,28000"}}) {
    FakeBoard::Config config;
    config.at_version = version;
    Bench bench(config);
    bench.meet();
    ASSERT_TRUE(run(bench.session.read_buffer(0, 28'000)));
    EXPECT_EQ(bench.board.executed.back(), line);
  }
}

TEST(ReadOut, FilesAndHexBefore12) {
  Bench bench;
  bench.meet();
  const auto bytes = run(bench.session.read_file("/fs/a"));
  ASSERT_TRUE(bytes) << bytes.error().message();
  EXPECT_EQ(bench.text(*bytes), bench.board.sample);

  FakeBoard::Config config;
  config.at_version = "1.1.0";
  Bench old(config);
  old.meet();
  old.board.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line.starts_with("AT+READFILE=")) return "00ff10\r\n> ";
    return std::nullopt;
  };
  const auto hex = run(old.session.read_file("/fs/h"));
  ASSERT_TRUE(hex) << hex.error().message();
  EXPECT_EQ(*hex, (std::vector<std::byte>{std::byte{0}, std::byte{0xFF}, std::byte{0x10}}));
}

TEST(ReadOut, SentencesAreErrorsNotPayload) {
  for (const std::uint32_t fast : {0U, 921'600U}) {
    FakeBoard::Config config;
    config.fast_baud = fast;
    Bench bench(config, 100);
    bench.meet();
    const auto file = run(bench.session.read_file("/fs/missing"));
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, Errc::not_found) << file.error().message();
    const auto buffer = run(bench.session.read_buffer(0, 200));
    ASSERT_FALSE(buffer);
    EXPECT_EQ(buffer.error().code, Errc::refused) << buffer.error().message();
    EXPECT_TRUE(run(bench.session.config()));
  }
}

TEST(ReadOut, BadCharacterIsReadAgainFromTheLastGoodOne) {
  Bench bench;
  bench.meet();
  bench.board.mangle_payload = first_times(1, [](std::string text) {
    text[20'000] = '#';
    return text;
  });
  ReadProgress progress;
  progress.target.to = 28'000;
  const auto done = run(bench.session.read_out(progress));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(bench.text(progress.bytes), bench.board.sample);
  EXPECT_EQ(progress.damaged, 1U);
  EXPECT_EQ(progress.wasted_bytes, 0U);
  EXPECT_EQ(bench.board.executed.back(), "AT+READBUFFER=15000,13000,n");
}

TEST(ReadOut, LostAndDoubledCharactersAreFoundByTheCount) {
  for (const bool lost : {true, false}) {
    Bench bench;
    bench.meet();
    bench.board.mangle_payload = first_times(3, [lost](std::string text) {
      if (lost) {
        text.erase(text.size() / 2, 1);
      } else {
        text.insert(text.size() / 2, 1, 'A');
      }
      return text;
    });
    ReadProgress progress;
    progress.target.to = 28'000;
    const auto done = run(bench.session.read_out(progress));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(bench.text(progress.bytes), bench.board.sample);
    EXPECT_EQ(progress.damaged, 3U);
  }
}

TEST(ReadOut, BoardWithoutRangesIsReadAgainWhole) {
  FakeBoard::Config config;
  config.ranges = false;
  Bench bench(config);
  bench.meet();
  bench.board.mangle_payload = first_times(2, [](std::string text) {
    text[20'000] = '#';
    return text;
  });
  ReadProgress progress;
  progress.target.to = 28'000;
  const auto done = run(bench.session.read_out(progress));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(bench.text(progress.bytes), bench.board.sample);
  EXPECT_EQ(progress.attempts, 3U);
  for (const std::string& line : bench.board.executed) {
    if (line.starts_with("AT+READBUFFER=")) EXPECT_EQ(line, "AT+READBUFFER=0,28000,n");
  }
}

TEST(ReadOut, GivesUpAfterItsAttempts) {
  FakeBoard::Config config;
  config.ranges = false;
  Bench bench(config, 300);
  bench.meet();
  bench.board.mangle_payload = [](std::string text) {
    text[100] = '#';
    return text;
  };
  const auto bytes = run(bench.session.read_buffer(0, 300));
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, Errc::garbage);
  EXPECT_EQ(bench.reads(), 5U);
}

TEST(ReadOut, UnpluggedKeepsWhatCameAndGoesOnWithANewSession) {
  Bench bench;
  bench.meet();
  bench.board.unplug_at = bench.board.clock_.steady() + 1500ms;
  ReadProgress progress;
  progress.target.to = 28'000;
  const auto cut = run(bench.session.read_out(progress));
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, Errc::unplugged);
  EXPECT_GT(progress.bytes.size(), 5000U);

  FakeBoard again;
  again.sample = bench.board.sample;
  AtSession session(again);
  session.set_device({1, 8, 0}, 0, {"ranges"});
  const std::size_t had = progress.bytes.size();
  const auto done = run(session.read_out(progress));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(bench.text(progress.bytes), again.sample);
  EXPECT_EQ(again.executed.back(), "AT+READBUFFER=" + std::to_string(had) + "," + std::to_string(28'000 - had) + ",n");
}

TEST(ReadOut, SilenceInTheMiddleResumes) {
  Bench bench({}, 3000);
  bench.meet();
  int calls = 0;
  bench.board.answer = [&calls](const std::string& line) -> std::optional<std::string> {
    // "QUJD" is "ABC"; the first answer stops in the middle.
    if (line.starts_with("AT+READBUFFER=") && calls++ == 0) return "QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD";
    if (line.starts_with("AT+READBUFFER=30,3,")) return "QUJD\r\n> ";
    return std::nullopt;
  };
  ReadProgress progress;
  progress.target.to = 33;
  const auto done = run(bench.session.read_out(progress));
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(bench.text(progress.bytes), "ABCABCABCABCABCABCABCABCABCABCABC");
}

TEST(ReadOut, AnnouncementsBeyondTheBoundAreRefused) {
  Bench bench;
  bench.meet();
  const auto huge = run(bench.session.read_buffer(0, 1ULL << 40));
  EXPECT_EQ(huge.error().code, Errc::limit);
  EXPECT_EQ(run(bench.session.read_buffer(5, 4)).error().code, Errc::usage);
  EXPECT_EQ(bench.reads(), 0U);
}

TEST(ReadOut, FaultyLineStillGivesTheRightBytes) {
  // Corruption into another base64 character, or a loss and a doubling in one piece, is for the HMAC to find.
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    FakeBoard::Config config;
    config.faults = {.drop = seed % 2 * 50, .repeat = (seed + 1) % 2 * 50, .corrupt = 0, .seed = seed};
    Bench bench(config, 60'000);
    if (!run(bench.session.connect()) || !run(bench.session.config()) || !run(bench.session.info())) continue;
    const auto bytes = run(bench.session.read_buffer(0, 60'000));
    ASSERT_TRUE(bytes) << seed << " " << bytes.error().message();
    EXPECT_EQ(bench.text(*bytes) == bench.board.sample, true) << seed;
  }
}

}  // namespace
}  // namespace tml::serial
