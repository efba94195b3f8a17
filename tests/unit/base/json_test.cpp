// SPDX-License-Identifier: Apache-2.0
#include "common/base/json.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tml {
namespace {

TEST(Json, ReadsMembersByType) {
  const auto json = parse_json(R"({"a":"text","b":1.5,"c":7,"d":true,"e":7.0})", "test").value();
  EXPECT_EQ(json_string(json, "a"), "text");
  EXPECT_EQ(json_string(json, "b"), std::nullopt);
  EXPECT_EQ(json_number(json, "b"), 1.5);
  EXPECT_EQ(json_integer(json, "b"), std::nullopt);
  EXPECT_EQ(json_integer(json, "c"), 7);
  EXPECT_EQ(json_integer(json, "e"), 7);
  EXPECT_EQ(json_bool(json, "d"), true);
  EXPECT_EQ(json_member(json, "z"), nullptr);
  EXPECT_EQ(json_member(Json(3), "a"), nullptr);
}

TEST(Json, NamesThePlaceOfAFault) {
  const auto result = parse_json("{\n  \"a\": nonsense\n}", "request body");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::malformed);
  EXPECT_NE(result.error().message().find("line 2"), std::string::npos) << result.error().message();
  EXPECT_EQ(result.error().where, "request body");
}

TEST(Json, RefusesDepthAndCount) {
  const std::string deep(100'000, '[');
  EXPECT_EQ(parse_json(deep, "x").error().code, Errc::limit);
  std::string wide = "[0";
  for (int i = 0; i < 30'000; ++i) wide += ",0";
  wide += "]";
  EXPECT_EQ(parse_json(wide, "x").error().code, Errc::limit);
  JsonLimits limits;
  limits.max_values = 40'000;
  EXPECT_TRUE(parse_json(wide, "x", limits));
  limits.max_bytes = 10;
  EXPECT_EQ(parse_json(wide, "x", limits).error().code, Errc::limit);
}

TEST(Json, HugeNumbersAndIntegersBeyondTheRange) {
  EXPECT_FALSE(parse_json("1e999", "x"));
  EXPECT_EQ(json_integer(parse_json(R"({"a":18446744073709551615})", "x").value(), "a"), std::nullopt);
  EXPECT_EQ(json_integer(parse_json(R"({"a":1e300})", "x").value(), "a"), std::nullopt);
}

TEST(Json, CborWithinTheSameBounds) {
  const std::string map = "\xa1\x61\x61\x18\x2a";  // {"a": 42}
  EXPECT_EQ(json_integer(parse_cbor(map, "frame").value(), "a"), 42);
  EXPECT_EQ(parse_cbor(std::string(100'000, '\x81'), "frame").error().code, Errc::limit);
  const auto cut = parse_cbor(map.substr(0, 3), "frame");
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, Errc::malformed);
  EXPECT_NE(cut.error().message().find("CBOR at byte"), std::string::npos) << cut.error().message();
  EXPECT_FALSE(parse_cbor("\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "frame")) << "a claimed length must not be reserved";
}

TEST(Json, TextNeverThrowsOnBrokenUtf8) { EXPECT_FALSE(json_text(Json(std::string("\xff\xfe"))).empty()); }

RC_GTEST_PROP(Json, RoundTripsStrings, (const std::map<std::string, std::string>& values)) {
  Json json = Json::object();
  for (const auto& [key, value] : values) {
    const auto ascii = [](std::string text) {
      for (char& c : text) c = static_cast<char>(static_cast<unsigned char>(c) & 0x7FU);
      return text;
    };
    json[ascii(key)] = ascii(value);
  }
  RC_ASSERT(parse_json(json_text(json), "x").value() == json);
}

RC_GTEST_PROP(Json, ArbitraryBytesNeverThrow, (const std::string& bytes)) {
  const auto result = parse_json(bytes, "x");
  RC_ASSERT(result.has_value() || result.error().code == Errc::malformed || result.error().code == Errc::limit);
}

}  // namespace
}  // namespace tml
