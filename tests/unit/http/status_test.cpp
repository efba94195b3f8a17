// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <stdlib.h>

#include "common/http/backoff.hpp"
#include "common/http/client.hpp"
#include "common/http/websocket.hpp"

namespace tml::http {
namespace {

TEST(Status, ErrorNamesTheReasonButNoSecret) {
  Response response;
  response.status = 401;
  response.body = R"({"success":false,"error":"Invalid API key"})";
  const Error error = error_for_status(response, "http://user:pass@host:4800/v1/api?key=secret#x");
  EXPECT_EQ(error.code, Errc::auth);
  EXPECT_NE(error.message().find("Invalid API key"), std::string::npos);
  EXPECT_EQ(error.where, "http://host:4800/v1/api");
  response.status = 503;
  response.body = "line\r\nbreak";
  EXPECT_EQ(error_for_status(response, "u").code, Errc::server_error);
  EXPECT_EQ(error_for_status(response, "u").what.find('\n'), std::string::npos);
}

TEST(Status, SecretHeaders) {
  EXPECT_TRUE(is_secret_header("X-Api-Key"));
  EXPECT_TRUE(is_secret_header("Authorization"));
  EXPECT_FALSE(is_secret_header("x-file-name"));
}

TEST(Proxy, EnvironmentAndExceptions) {
  ::setenv("HTTPS_PROXY", "http://proxy:3128", 1);
  ::setenv("NO_PROXY", "inside.example, .corp.example", 1);
  EXPECT_EQ(proxy_for("wss", "studio.edgeimpulse.com"), "http://proxy:3128");
  EXPECT_EQ(proxy_for("https", "inside.example"), std::nullopt);
  EXPECT_EQ(proxy_for("https", "a.corp.example"), std::nullopt);
  EXPECT_EQ(proxy_for("https", "notcorp.example"), "http://proxy:3128");
  EXPECT_EQ(proxy_for("https", "127.0.0.1"), std::nullopt);
  ::setenv("NO_PROXY", "*", 1);
  EXPECT_EQ(proxy_for("https", "a.b"), std::nullopt);
  ::unsetenv("HTTPS_PROXY");
  ::unsetenv("NO_PROXY");
}

RC_GTEST_PROP(BackoffProperty, StaysBetweenHalfAndAllAndUnderTheMaximum, (std::uint64_t seed, std::uint16_t failures)) {
  SeededRandom random(seed);
  const BackoffOptions options{Millis(1000), Millis(300'000)};
  const Millis wait = backoff_delay(options, failures, random);
  RC_ASSERT(wait >= Millis(500));
  RC_ASSERT(wait <= Millis(300'000));
  if (failures <= 1) RC_ASSERT(wait <= Millis(1000));
  if (failures > 20) RC_ASSERT(wait >= Millis(150'000));
}

}  // namespace
}  // namespace tml::http
