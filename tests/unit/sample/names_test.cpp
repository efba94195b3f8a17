// SPDX-License-Identifier: Apache-2.0
#include "common/sample/names.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tml::sample {
namespace {

TEST(Label, IsInferredFromTheFileName) {
  EXPECT_EQ(label_from_file_name("idle.01.wav"), "idle");
  EXPECT_EQ(label_from_file_name("/fs/up down-2_x.7"), "up down-2_x");
  EXPECT_EQ(label_from_file_name(".hidden"), "");
  EXPECT_EQ(label_from_file_name("caf\xC3\xA9.json"), "caf");
}

TEST(Category, NamesAndPaths) {
  EXPECT_EQ(parse_category("post-processing").value(), Category::post_processing);
  EXPECT_EQ(parse_category("Training").error().code, Errc::usage);
  EXPECT_EQ(category_from_path("/api/testing/data"), Category::testing);
  EXPECT_EQ(category_from_path("/api/anomaly/data?x=1"), Category::anomaly);
  EXPECT_EQ(category_from_path("/api/trainings/data"), std::nullopt);
}

TEST(Split, FollowsTheRule) {
  EXPECT_EQ(split_category_from_md5("b0").value(), Category::training);
  EXPECT_EQ(split_category_from_md5("fff0").value(), Category::training);
  EXPECT_EQ(split_category_from_md5("fc").value(), Category::testing);
  EXPECT_EQ(split_category_from_md5("e0").value(), Category::testing);
  EXPECT_FALSE(split_category_from_md5("ffff"));
  EXPECT_EQ(split_category(as_bytes("abc")).value(), Category::training);  // 9001...
}

TEST(Percent, AsEncodeUriComponent) {
  EXPECT_EQ(percent_encode("a b/c.json"), "a%20b%2Fc.json");
  EXPECT_EQ(percent_encode("-_.!~*'()"), "-_.!~*'()");
  EXPECT_EQ(percent_encode("\xC3\xA9"), "%C3%A9");
  EXPECT_EQ(percent_decode("a%20b%2fc"), "a b/c");
  EXPECT_EQ(percent_decode("100%"), "100%");
  EXPECT_EQ(percent_decode("%zz"), "%zz");
  EXPECT_EQ(percent_decode("%E9"), "%E9") << "not UTF-8";
  EXPECT_EQ(percent_decode("a%2"), "a%2");
}

RC_GTEST_PROP(PercentProperty, RoundTrip, (std::vector<std::uint8_t> ascii)) {
  std::string text;
  for (const std::uint8_t byte : ascii) text += static_cast<char>(byte & 0x7F);
  RC_ASSERT(percent_decode(percent_encode(text)) == text);
}

}  // namespace
}  // namespace tml::sample
