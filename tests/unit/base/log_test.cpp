// SPDX-License-Identifier: Apache-2.0
#include "common/base/log.hpp"

#include <gtest/gtest.h>

namespace tml {
namespace {

TEST(Log, SecretsNeverAppear) {
  log_secret("ei_0123456789abcdef");
  EXPECT_EQ(log_redacted("key ei_0123456789abcdef, again ei_0123456789abcdef."), "key ***, again ***.");
}

TEST(Log, ShortSecretsAreNotBlottedOut) {
  log_secret("ab");
  log_secret("");
  EXPECT_EQ(log_redacted("abacus"), "abacus");
}

TEST(Log, LinesReachStandardErrorRedacted) {
  log_secret("topsecretkey");
  testing::internal::CaptureStderr();
  log_init(LogLevel::info, true);
  log_info("with topsecretkey inside");
  log_debug("not shown");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("with *** inside"), std::string::npos) << text;
  EXPECT_EQ(text.find("not shown"), std::string::npos);
  EXPECT_EQ(text.front(), '{');
  log_init(LogLevel::off, false);
}

}  // namespace
}  // namespace tml
