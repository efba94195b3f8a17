// SPDX-License-Identifier: Apache-2.0
#include "common/cli/prompt.hpp"

#include <gtest/gtest.h>

namespace tml::cli {
namespace {

TEST(Prompt, NeverAsksWhenNotAllowed) {
  const Prompt prompt(false);
  const auto answer = prompt.ask("What name do you want to give this device?", "--name");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::usage);
  EXPECT_NE(answer.error().message().find("--name"), std::string::npos);
  EXPECT_FALSE(prompt.confirm("Sure?", "--yes", true));
  EXPECT_FALSE(prompt.ask_secret("What is your password?", "--password-file"));
}

TEST(Prompt, OneChoiceNeedsNoQuestionAndNoneIsAnError) {
  const Prompt prompt(false);
  EXPECT_EQ(prompt.choose("Which?", "--port", {"only"}).value(), 0U);
  EXPECT_EQ(prompt.choose("Which?", "--port", {"a", "b"}).error().code, Errc::usage);
  EXPECT_EQ(prompt.choose("Which?", "--port", {}).error().code, Errc::not_found);
}

}  // namespace
}  // namespace tml::cli
