// SPDX-License-Identifier: Apache-2.0
#include "uploader/parse/csv_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <filesystem>

namespace tml::uploader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Result<CsvFacts> check(std::string_view text, CsvDescription description = {}, std::size_t step = SIZE_MAX) {
  return check_csv(text_source(text, step), "a.csv", std::move(description));
}

std::string error_of(std::string_view text, CsvDescription description = {}) {
  const auto facts = check(text, std::move(description));
  return facts ? "no error" : facts.error().message();
}

TEST(CsvCheck, ReadsAFileThatFollowsTheRules) {
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, SIZE_MAX}) {
    const auto facts = check("timestamp,accX,accY\r\n0,1.5,-2e-3\r\n16,2,3\r\n\r\n32,+3,4", {}, step);
    ASSERT_TRUE(facts) << facts.error().message();
    EXPECT_TRUE(facts->follows_rules);
    EXPECT_TRUE(facts->has_header);
    EXPECT_EQ(facts->rows, 3U);
    EXPECT_EQ(facts->timestamp, 0U);
    EXPECT_THAT(facts->axes, ElementsAre("accX", "accY"));
    EXPECT_EQ(facts->interval_ms, 16.0);
    EXPECT_EQ(facts->frequency_hz(), 62.5);
    EXPECT_TRUE(csv_metadata(*facts).empty());
  }
}

TEST(CsvCheck, TakesOtherDelimitersQuotesAndOneRow) {
  EXPECT_EQ(check("timestamp;a;b\n0;1;2\n1;3;4\n")->delimiter, ';');
  EXPECT_EQ(check("timestamp\ta\n0\t1\n1\t3\n")->frequency_hz(), 1000.0);
  const auto one = check("\xEF\xBB\xBF\"x, left\",\"say \"\"y\"\"\"\n1,2\n");
  ASSERT_TRUE(one) << one.error().message();
  EXPECT_THAT(one->axes, ElementsAre("x, left", "say \"y\""));
  EXPECT_TRUE(one->has_bom);
  EXPECT_FALSE(one->interval_ms);
  EXPECT_EQ(check("timestamp,a\r0,1\r5,2\r")->rows, 2U);
  EXPECT_FALSE(check("timestamp,a\n7,1\n")->frequency_hz());
}

TEST(CsvCheck, NamesLineColumnAndRemedy) {
  EXPECT_THAT(error_of("1,2\n3,4\n"), AllOf(HasSubstr("no header row: a.csv, line 1"), HasSubstr("--csv-axes")));
  EXPECT_THAT(error_of("a,b\n1,2\n3,4\n"), AllOf(HasSubstr("without a column \"timestamp\": a.csv, line 3"),
                                                 HasSubstr("--csv-timestamp"), HasSubstr("--frequency")));
  EXPECT_THAT(error_of("a,timestamp\n1,2\n3,4\n"),
              HasSubstr("not the first column: a.csv, line 1, column 2 (timestamp)"));
  EXPECT_THAT(error_of("timestamp,a\n0,1\n10,x\n"),
              AllOf(HasSubstr("no number: a.csv, line 3, column 2 (a)"), HasSubstr("--csv-axes")));
  EXPECT_THAT(error_of("timestamp,a\n0,\n"), HasSubstr("empty: a.csv, line 2, column 2"));
  EXPECT_THAT(error_of("timestamp;a\n0;1,5\n"), HasSubstr("with a point"));
  EXPECT_THAT(error_of("timestamp,a\n0,1\n10\n"),
              HasSubstr("1 cells where the first row has 2: a.csv, line 3, column 2"));
  EXPECT_THAT(error_of("timestamp,a\n0,1,2\n"),
              HasSubstr("3 cells where the first row has 2: a.csv, line 2, column 3"));
  EXPECT_THAT(error_of("timestamp,a\n10,1\n10,2\n"), HasSubstr("does not rise: a.csv, line 3, column 1 (timestamp)"));
  EXPECT_THAT(
      error_of("timestamp,a\n0,1\n10,2\n20,3\n40,4\n"),
      AllOf(HasSubstr("not evenly spaced, expected about 30 and found 40: a.csv, line 5"), HasSubstr("--frequency")));
  EXPECT_THAT(error_of("timestamp,a\nnow,1\n"), HasSubstr("no number of milliseconds"));
  EXPECT_THAT(error_of("timestamp,a\n"), HasSubstr("no data"));
  EXPECT_THAT(error_of("timestamp\n1\n2\n"), HasSubstr("no column but the timestamp"));
  EXPECT_THAT(error_of(""), HasSubstr("empty file"));
  EXPECT_THAT(error_of("a,b\n1,\"2\n"), HasSubstr("a quote does not close: a.csv, line 2, column 2"));
  EXPECT_THAT(error_of("a,b\n1,\"2\"x\n"), HasSubstr("something follows"));
  EXPECT_THAT(error_of("timestamp,a\n0," + std::string(kMaxCsvLineBytes, '1')), HasSubstr("line longer than"));
  EXPECT_THAT(error_of("a" + std::string(kMaxCsvColumns, ',')), HasSubstr("more than 4096 columns"));
  EXPECT_THAT(error_of("a,b\n1,nan\n"), HasSubstr("no number"));
}

TEST(CsvCheck, AFaultStaysWhileTheRestIsFed) {
  CsvChecker checker("a.csv");
  EXPECT_FALSE(checker.feed("1,2\n"));
  EXPECT_FALSE(checker.feed("timestamp,a\n"));
  EXPECT_THAT(checker.finish().error().message(), HasSubstr("no header row"));
}

TEST(CsvCheck, WholeMillisecondsOfARateThatDoesNotFitThem) {
  EXPECT_NEAR(*check("timestamp,a\n0,1\n33,1\n67,1\n100,1\n")->frequency_hz(), 30.0, 1e-9);
  // A dropped reading is no rounding.
  EXPECT_THAT(error_of("timestamp,a\n0,1\n33,1\n67,1\n133,1\n"), HasSubstr("not evenly spaced"));
  EXPECT_NEAR(*check("timestamp,a\n1700000000000.0,1\n1700000000000.5,1\n1700000000001.0,1\n")->frequency_hz(), 2000.0,
              1e-9);
}

TEST(CsvCheck, ADescriptionStandsInForTheRules) {
  const auto fan = check("-0.089355, 0.174316, 0.930176\n0.060059, 0.239258, 0.997559\n", {"", {"x", "y", "z"}, 200.0});
  ASSERT_TRUE(fan) << fan.error().message();
  EXPECT_FALSE(fan->follows_rules);
  EXPECT_EQ(fan->rows, 2U);
  EXPECT_EQ(csv_metadata(*fan),
            (KeyValues{{"csv_axes", "x,y,z"}, {"csv_frequency_hz", "200"}, {"csv_header", "false"}}));
  const auto timed = check("1,0,5\n2,10,6\n", {"2", {"a", "b"}, {}});
  ASSERT_TRUE(timed) << timed.error().message();
  EXPECT_THAT(timed->axis_columns, ElementsAre(0, 2));
  EXPECT_EQ(timed->frequency_hz(), 100.0);
  const auto some = check("time,note,a,b\n0,x,1,2\n4,y,3,4\n", {"time", {"b", "a"}, {}});
  ASSERT_TRUE(some) << some.error().message();
  EXPECT_THAT(some->axes, ElementsAre("b", "a"));
  EXPECT_THAT(some->axis_columns, ElementsAre(3, 2));
  EXPECT_EQ(csv_metadata(*some).back(), (std::pair<std::string, std::string>("csv_timestamp", "time")));
  // A frequency wins over timestamps that jump.
  EXPECT_EQ(check("timestamp,a\n0,1\n1,2\n9,3\n", {"", {}, 50.0})->frequency_hz(), 50.0);
}

TEST(CsvCheck, ADescriptionMayRepeatWhatTheFileSays) {
  const CsvDescription same[] = {
      {"timestamp", {}, {}}, {"", {"a", "b"}, {}}, {"", {}, 30.0}, {"timestamp", {"a", "b"}, 30.0}};
  const std::string text = "timestamp,a,b\n0,1,2\n33,1,2\n67,1,2\n100,1,2\n";
  for (const CsvDescription& description : same) {
    const auto facts = check(text, description);
    ASSERT_TRUE(facts) << facts.error().message();
    EXPECT_TRUE(facts->follows_rules);
    EXPECT_TRUE(csv_metadata(*facts).empty());
  }
  EXPECT_TRUE(check("a,b\n1,2\n", {"", {"a", "b"}, {}})->follows_rules) << "a single reading needs no time";
  const std::pair<std::string, CsvDescription> others[] = {
      {text, {"", {"b", "a"}, {}}},
      {text, {"", {"a"}, {}}},
      {text, {"", {}, 31.0}},
      {"\xEF\xBB\xBF" + text, {"timestamp", {}, {}}},
      {"timestamp\ta\n0\t1\n1\t2\n", {"timestamp", {}, {}}},
      {"timestamp,a\n0,1\n20,2\n41,3\n900,4\n", {"", {}, 50.0}},
      {"timestamp,a\nnone,1\n20,2\n40,3\n", {"", {}, 50.0}},
      {"a,timestamp\n1,0\n2,20\n", {"timestamp", {}, {}}},
      {"time,a\n0,1\n20,2\n", {"time", {}, {}}},
      {"timestamp,a\n0,1\n", {"", {}, 50.0}},
      {"a\n1\n", {"", {}, 50.0}},
      {"1,2\n", {"", {"a", "b"}, {}}},
  };
  for (const auto& [other, description] : others) {
    const auto facts = check(other, description);
    ASSERT_TRUE(facts) << facts.error().message();
    EXPECT_FALSE(facts->follows_rules) << other;
    EXPECT_FALSE(csv_metadata(*facts).empty());
  }
}

TEST(CsvCheck, ADescriptionThatDoesNotFitIsTheUsersError) {
  EXPECT_THAT(error_of("a,b\n1,2\n", {"", {"c"}, 10.0}), AllOf(HasSubstr("no column \"c\""), HasSubstr("a, b")));
  EXPECT_THAT(error_of("1,2\n", {"", {"x"}, 10.0}), HasSubstr("--csv-axes names 1 columns, but there are 2"));
  EXPECT_THAT(error_of("a,b\n1,2\n", {"time", {}, {}}), HasSubstr("no column \"time\""));
  EXPECT_THAT(error_of("a,b\n1,2\n", {"", {}, 0.0}), HasSubstr("above 0: --frequency"));
  EXPECT_THAT(error_of("1,2\n3,4\n", {"", {"x", "y"}, {}}), HasSubstr("several rows"));
  EXPECT_EQ(check("a,b\n1,2\n", {"", {"c"}, 10.0}).error().code, Errc::usage);
}

TEST(CsvCheck, TheFanRecordingsNeedADescription) {
  const std::filesystem::path folder = std::filesystem::path(TML_SHARED_DIR) / "data" / "ceiling-fan";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no ../shared/data/ceiling-fan beside the repository";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".csv") continue;
    ++files;
    EXPECT_FALSE(check_csv(*file_source(entry.path()), entry.path().string()));
    const auto facts = check_csv(*file_source(entry.path()), entry.path().string(), {"", {"x", "y", "z"}, 200.0});
    ASSERT_TRUE(facts) << facts.error().message();
    EXPECT_EQ(facts->rows, 200U);
  }
  EXPECT_GT(files, 0U);
}

// Timestamps of a known spacing give that frequency, to within what their digits say.
RC_GTEST_PROP(CsvProperty, AKnownSpacingGivesItsFrequency, ()) {
  const auto interval = *rc::gen::inRange(1, 5'000'000) / 1000.0;  // 1 us to 5 s
  const auto digits = *rc::gen::inRange(3, 7);
  const auto rows = *rc::gen::inRange(2, 400);
  const auto start = *rc::gen::inRange<std::int64_t>(-1'000'000, 1'000'000'000'000);
  std::string text = "timestamp,v\n";
  for (int i = 0; i < rows; ++i) {
    char line[64];
    const double time = static_cast<double>(start) + i * interval;
    text.append(line, static_cast<std::size_t>(std::snprintf(line, sizeof line, "%.*f,%d\n", digits, time, i)));
  }
  const auto facts = check(text, {}, *rc::gen::inRange<std::size_t>(1, 100));
  RC_ASSERT(facts.has_value());
  RC_ASSERT(facts->rows == static_cast<std::uint64_t>(rows));
  RC_ASSERT(std::abs(*facts->interval_ms - interval) <= (2 * std::pow(10.0, -digits) + 1e-3) / (rows - 1));
}

// Taking any rows out of the middle is noticed.
RC_GTEST_PROP(CsvProperty, AGapIsNoticed, ()) {
  const auto interval = *rc::gen::inRange(4, 1000);  // below, whole milliseconds cannot tell a gap from rounding
  const auto rows = *rc::gen::inRange(4, 100);
  const auto gap = *rc::gen::inRange(2, rows - 1);
  std::string text = "timestamp,v\n";
  for (int i = 0; i < rows; ++i) {
    if (i != gap) text += std::to_string(std::int64_t{i} * interval) + ",1\n";
  }
  RC_ASSERT(!check(text).has_value());
}

}  // namespace
}  // namespace tml::uploader
