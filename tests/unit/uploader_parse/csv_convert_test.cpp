// SPDX-License-Identifier: Apache-2.0
#include "uploader/parse/csv_convert.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

namespace tml::uploader {
namespace {

using ::testing::HasSubstr;

Result<std::string> convert(const std::string& text, const CsvFacts& facts, std::size_t step = SIZE_MAX) {
  std::string out;
  CsvConverter converter(facts, [&](std::string_view piece) -> Result<void> {
    out += piece;
    return {};
  });
  for (std::size_t at = 0; at < text.size(); at += std::min(step, text.size() - at)) {
    if (auto ok = converter.feed(std::string_view(text).substr(at, step)); !ok) return pass(ok.error());
  }
  if (auto ok = converter.finish(); !ok) return pass(ok.error());
  return out;
}

std::string converted(const std::string& text, const CsvDescription& description) {
  const auto facts = check_csv(text_source(text), "a.csv", description);
  if (!facts) return facts.error().message();
  const auto out = convert(text, *facts);
  return out ? *out : out.error().message();
}

TEST(CsvConvert, WritesWhatTheServiceWants) {
  EXPECT_EQ(converted("-0.0893, 0.174\n0.06, +2e-1\n", {"", {"x", "y"}, 200.0}),
            "timestamp,x,y\n0,-0.0893,0.174\n5,0.06,+2e-1\n");
  EXPECT_EQ(converted("t;note;a\n100;u;1\n110;v;2\n120;w;3\n", {"t", {"a"}, {}}), "timestamp,a\n0,1\n10,2\n20,3\n");
  EXPECT_EQ(converted("\"a,b\",c\n1,\"2\"\n", {"", {}, 10.0}), "timestamp,\"a,b\",c\n0,1,2\n");
  EXPECT_EQ(converted("a,b\n1,2\n", {"", {"b"}, {}}), "b\n2\n");
}

TEST(CsvConvert, NoticesAFileThatChanged) {
  const auto facts = check_csv(text_source("1,2\n3,4\n"), "a.csv", {"", {"x", "y"}, 10.0});
  ASSERT_TRUE(facts);
  EXPECT_THAT(convert("1,2\n", *facts).error().message(), HasSubstr("changed"));
  EXPECT_THAT(convert("1,2,3\n", *facts).error().message(), HasSubstr("changed"));
}

TEST(CsvConvert, PassesOnWhatTheSinkSays) {
  const auto facts = check_csv(text_source("a\n1\n"), "a.csv");
  ASSERT_TRUE(facts);
  CsvConverter converter(*facts, [](std::string_view) -> Result<void> { return fail(Errc::disk_full, "full"); });
  ASSERT_TRUE(converter.feed("a\n1\n"));
  EXPECT_EQ(converter.finish().error().code, Errc::disk_full);
}

// What comes out follows the rules, has the same readings and the frequency that was asked for.
RC_GTEST_PROP(CsvConvertProperty, TheResultFollowsTheRules, ()) {
  const auto rows = *rc::gen::inRange(2, 300);
  const auto hz = *rc::gen::inRange(1, 2'000'000) / 100.0;
  std::string text;
  for (int i = 0; i < rows; ++i)
    text += std::to_string(*rc::gen::inRange(-999, 999)) + "\t" + std::to_string(i) + "\r\n";
  const auto facts = check_csv(text_source(text), "a.csv", {"", {"u", "v"}, hz});
  RC_ASSERT(facts.has_value());
  const auto out = convert(text, *facts, *rc::gen::inRange<std::size_t>(1, 64));
  RC_ASSERT(out.has_value());
  const auto again = check_csv(text_source(*out), "b.csv");
  RC_ASSERT(again.has_value());
  RC_ASSERT(again->follows_rules);
  RC_ASSERT(again->rows == static_cast<std::uint64_t>(rows));
  RC_ASSERT(again->axes == facts->axes);
  RC_ASSERT(std::abs(*again->frequency_hz() - hz) <= hz * 1e-4);
}

}  // namespace
}  // namespace tml::uploader
