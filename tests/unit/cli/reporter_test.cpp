// SPDX-License-Identifier: Apache-2.0
#include "common/cli/reporter.hpp"

#include <gtest/gtest.h>

#include "common/base/json.hpp"
#include "common/base/log.hpp"

namespace tml::cli {
namespace {

TEST(Reporter, JsonLinesCarryEventAndError) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  ExitCode code = ExitCode::ok;
  {
    Reporter reporter({"tml-x", true, false, false});
    reporter.event("ready", {{"port", 5}}, "text is not for programs");
    reporter.progress("reading", 5, 10, "B");
    code = reporter.error(Error{Errc::auth, "key refused", "server", "Give --api-key", {}});
  }
  const std::string out = testing::internal::GetCapturedStdout();
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(code, ExitCode::auth);
  std::vector<Json> lines;
  std::size_t start = 0;
  for (std::size_t end = out.find('\n'); end != std::string::npos; start = end + 1, end = out.find('\n', start)) {
    lines.push_back(parse_json(out.substr(start, end - start), "line").value());
  }
  ASSERT_EQ(lines.size(), 3U) << out;
  EXPECT_EQ(lines[0]["event"], "ready");
  EXPECT_EQ(lines[0]["port"], 5);
  EXPECT_EQ(lines[1]["done"], 5);
  EXPECT_EQ(lines[2]["code"], "auth");
  EXPECT_EQ(lines[2]["exit_code"], 7);
}

TEST(Reporter, TextModeAndQuiet) {
  testing::internal::CaptureStdout();
  {
    Reporter reporter({"tml-x", false, false, false});
    reporter.event("ready", Json::object(), "hello");
    Reporter quiet({"tml-x", false, true, false});
    quiet.event("ready", Json::object(), "unseen");
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "hello\n");
}

TEST(Reporter, SecretsAreRedacted) {
  log_secret("reportersecret");
  testing::internal::CaptureStdout();
  {
    Reporter reporter({"tml-x", true, false, false});
    reporter.event("e", {{"k", "reportersecret"}});
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout().find("reportersecret"), std::string::npos);
}

TEST(Reporter, Sizes) {
  EXPECT_EQ(human_size(512), "512 B");
  EXPECT_EQ(human_size(1'234'567), "1.2 MB");
}

}  // namespace
}  // namespace tml::cli
