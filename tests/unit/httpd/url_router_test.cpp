// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "common/httpd/router.hpp"
#include "common/httpd/types.hpp"
#include "common/httpd/url.hpp"

namespace tml::httpd {
namespace {

TEST(Url, DecodesOrRefuses) {
  EXPECT_EQ(url_decode("a%20b+c"), "a b+c");
  EXPECT_EQ(url_decode("a%20b+c", true), "a b c");
  for (const char* bad : {"%", "%1", "%zz", "abc%2"}) EXPECT_FALSE(url_decode(bad)) << bad;
  EXPECT_EQ(query_value("a=1&b=%41%42&b=2&c", "b"), "AB");
  EXPECT_EQ(query_value("a=1&c", "c"), "");
  EXPECT_FALSE(query_value("a=%zz", "a"));
  EXPECT_FALSE(split_path(std::string(100, '/')));
}

TEST(Router, LiteralsWinOverParameters) {
  RouteTable table;
  table.add("GET", "/v1/api/{projectId}", 1);
  table.add("GET", "/v1/api/projects", 2);
  table.add("GET", "/v1/api/{projectId}/device/{deviceId}", 3);
  EXPECT_EQ(table.find("GET", "/v1/api/projects").match->target, 2U);
  EXPECT_EQ(table.find("GET", "/v1/api/7/").match->target, 1U);
  const auto found = table.find("GET", "/v1/api/7/device/34%3A52%2Fx");
  ASSERT_TRUE(found.match);
  EXPECT_EQ(found.match->parameters.at("projectId"), "7");
  EXPECT_EQ(found.match->parameters.at("deviceId"), "34:52/x");
  EXPECT_TRUE(table.find("POST", "/v1/api/projects").other_method);
  EXPECT_FALSE(table.find("GET", "/v1/api//device/x").match);
  EXPECT_FALSE(table.find("GET", "/v1").match);
}

TEST(Headers, CompareWithoutCase) {
  Headers headers;
  headers.add("X-Label", "first");
  headers.add("x-label", "second");
  EXPECT_EQ(headers.get("x-LABEL"), "first");
  EXPECT_FALSE(headers.has("x-labe"));
}

RC_GTEST_PROP(Url, DecodingNeverGrows, (const std::string& text)) {
  if (const auto decoded = url_decode(text)) RC_ASSERT(decoded->size() <= text.size());
  RC_ASSERT(parse_query(text).size() <= kMaxQueryParameters);
}

}  // namespace
}  // namespace tml::httpd
