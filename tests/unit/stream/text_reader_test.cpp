// SPDX-License-Identifier: Apache-2.0
#include "common/stream/text_reader.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>
#include <vector>

namespace tml::stream {
namespace {

using Kind = LineEvent::Kind;

struct Seen {
  std::vector<std::vector<double>> readings;
  std::vector<std::string> log;  // One letter per event: r b n a c e m, with details.
  std::vector<BadLine> bad;
  std::vector<std::string> names;
  std::vector<double> times;
  std::vector<std::uint64_t> bad_lines;
};

Seen read(std::string_view text, bool midway = false, std::size_t piece = 1000) {
  TextReader reader(TextReader::Settings{midway});
  Seen seen;
  const auto sink = [&seen](const LineEvent& event) {
    switch (event.kind) {
      case Kind::reading: {
        const auto view = event.values.view();
        seen.readings.emplace_back(view.begin(), view.end());
        if (event.board_time) seen.times.push_back(*event.board_time);
        break;
      }
      case Kind::bad:
        seen.bad.push_back(event.bad);
        seen.bad_lines.push_back(event.line);
        break;
      case Kind::names:
        seen.names.assign(event.names.begin(), event.names.end());
        break;
      case Kind::axes_known:
        seen.log.push_back("axes " + std::to_string(event.axes));
        break;
      case Kind::axes_changed:
        seen.log.push_back("changed " + std::to_string(event.axes));
        break;
      case Kind::board_error:
        seen.log.push_back("error " + std::string(event.text));
        break;
      case Kind::message:
        seen.log.push_back("message " + std::string(event.text));
        break;
    }
  };
  for (std::size_t at = 0; at < text.size(); at += piece) {
    reader.push(wire::as_bytes(text.substr(at, piece)), Time{0}, sink);
  }
  reader.finish(sink);
  return seen;
}

using Rows = std::vector<std::vector<double>>;

TEST(TextReader, EverySeparatorAndLineEnd) {
  EXPECT_EQ(read("1,2,3\n4\t5\t6\r\n7 8 9\n 1 , 2,\t,3 ,\n").readings,
            (Rows{{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {1, 2, 3}}));
}

TEST(TextReader, FirstLineOfARunningBoardIsPartial) {
  EXPECT_EQ(read("2,3\n1,2,3\n4,5,6\n7,8,9\n", true).readings.size(), 3U);
  EXPECT_EQ(read("accX,accY\n1,2\n3,4\n5,6\n", true).names, (std::vector<std::string>{"accX", "accY"}));
}

TEST(TextReader, BannersCostThatLine) {
  const Seen seen =
      read("*** Booting Zephyr ***\nHello from board 7\n\n1,2\n3,4\n# battery low\n5,6\n[INF] ok 7\n7,8\n");
  EXPECT_EQ(seen.readings, (Rows{{1, 2}, {3, 4}, {5, 6}, {7, 8}}));
  EXPECT_TRUE(seen.bad.empty());
  EXPECT_EQ(seen.log.size(), 5U);
}

TEST(TextReader, BadLinesCostThemselves) {
  const Seen seen = read(
      "1,2\n3,4\n5,6\n7,x8\n9\n1,2,3\n\x01"
      "1,2\n3,Infinity\nNaN,4\n1,2\n");
  EXPECT_EQ(seen.readings, (Rows{{1, 2}, {3, 4}, {5, 6}, {1, 2}}));
  EXPECT_EQ(seen.bad_lines, (std::vector<std::uint64_t>{3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(seen.bad, (std::vector<BadLine>{BadLine::not_a_number, BadLine::field_count, BadLine::field_count,
                                            BadLine::stray_bytes, BadLine::not_a_number, BadLine::not_a_number}));
}

TEST(TextReader, HeaderNamesTheAxes) {
  EXPECT_EQ(read("accX,accY,accZ\n1,2,3\n4,5,6\n7,8,9\n").names, (std::vector<std::string>{"accX", "accY", "accZ"}));
  EXPECT_EQ(read("ax ay az\r\n1 2 3\r\n4 5 6\r\n7 8 9\r\n").names, (std::vector<std::string>{"ax", "ay", "az"}));
  const Seen timed = read("timestamp,accX,accY\n10,1,2\n20,3,4\n30,5,6\n40,7,8\n");
  EXPECT_EQ(timed.names, (std::vector<std::string>{"accX", "accY"}));
  EXPECT_EQ(timed.readings, (Rows{{1, 2}, {3, 4}, {5, 6}, {7, 8}}));
  EXPECT_EQ(timed.times, (std::vector<double>{10, 20, 30, 40}));
  EXPECT_TRUE(read("wrong,count\n1,2,3\n4,5,6\n7,8,9\n").names.empty());
}

TEST(TextReader, HeaderAgainAfterAReset) {
  const Seen seen = read("a,b\n1,2\n3,4\n5,6\na,b\n7,8\n");
  EXPECT_EQ(seen.readings.size(), 4U);
  EXPECT_TRUE(seen.bad.empty());
}

TEST(TextReader, MajorityDecidesAndChangesAreReported) {
  std::string text = "1\n1,2\n1,2\n1,2,3\n1,2\n";
  const Seen first = read(text);
  EXPECT_EQ(first.log, (std::vector<std::string>{"axes 2"}));
  EXPECT_EQ(first.readings.size(), 3U);
  EXPECT_EQ(first.bad.size(), 2U);
  for (std::size_t i = 0; i < kChangeLines + 2; ++i) text += "1,2,3\n";
  const Seen second = read(text);
  EXPECT_EQ(second.log, (std::vector<std::string>{"axes 2", "changed 3"}));
  EXPECT_EQ(second.readings.size(), 6U);
}

TEST(TextReader, ErrorsAreTheBoardsOwn) {
  const Seen seen = read("1,2\nERR: no sensor\n<err 5\n3,4\n5,6\n");
  EXPECT_EQ(seen.log, (std::vector<std::string>{"error ERR: no sensor", "error <err 5", "axes 2"}));
  EXPECT_EQ(seen.readings.size(), 3U);
}

TEST(TextReader, Teleplot) {
  const Seen seen = read(">ax:1\n>ay:2\n>ax:3\n>ay:4\n>ax:5\n>ay:6§\n>ax:7\n>ay:8\n");
  EXPECT_EQ(seen.names, (std::vector<std::string>{"ax", "ay"}));
  ASSERT_EQ(seen.readings.size(), 3U);
  EXPECT_EQ(seen.readings[2], (std::vector<double>{7, 8}));
  EXPECT_EQ(read(">a:1,b:2\n>a:3,b:4\n>a:5,b:6\n").readings, (Rows{{1, 2}, {3, 4}, {5, 6}}));
  EXPECT_EQ(read(">t:1000:21.5|g\n>t:2000:22\n>t:3000:23\n").readings, (Rows{{21.5}, {22}, {23}}));
  EXPECT_EQ(read(">a:1\n>b:2\n>a:1\n>b:2\n>a:1\n>a:2\n>b:2\n").bad, (std::vector<BadLine>{BadLine::incomplete}));
}

TEST(TextReader, OverlongLinesAreBoundedAndCounted) {
  const Seen seen = read("1,2\n3,4\n5,6\n" + std::string(3 * kMaxLine, '7') + "\n7,8\n");
  EXPECT_EQ(seen.bad, (std::vector<BadLine>{BadLine::too_long}));
  EXPECT_EQ(seen.readings.size(), 4U);
}

TEST(TextReader, PiecesMakeNoDifference) {
  EXPECT_TRUE(rc::check("any split gives the same readings", [] {
    std::string text = "ax,ay\n";
    const auto rows = *rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::arbitrary<int>(), rc::gen::arbitrary<int>()));
    for (const auto& [a, b] : rows) text += std::to_string(a) + "," + std::to_string(b) + "\r\n";
    const auto piece = *rc::gen::inRange<std::size_t>(1, 20);
    const Seen seen = read(text, false, piece);
    RC_ASSERT(seen.readings.size() == rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) RC_ASSERT(seen.readings[i][0] == rows[i].first);
  }));
}

TEST(TextReader, OneDamagedByteCostsAtMostTheLinesAroundIt) {
  EXPECT_TRUE(rc::check("any byte replaced", [] {
    std::string text;
    for (int i = 0; i < 40; ++i) text += std::to_string(i) + "," + std::to_string(100 - i) + "\n";
    const auto at = *rc::gen::inRange<std::size_t>(30, text.size());
    text[at] = *rc::gen::arbitrary<char>();
    RC_ASSERT(read(text).readings.size() >= 38);
  }));
}

}  // namespace
}  // namespace tml::stream
