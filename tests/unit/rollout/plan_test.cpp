// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "common/flashlink/rollout_plan.hpp"

namespace tml::flashlink {
namespace {

constexpr std::string_view kWhole = R"(name = "gestures-1.3"
file = "gestures.tmlm"
[select]
tag = "bench-3"
product = "tml-virtual"
version = ">=1.0.0, <1.3.0"
ids = ["a", "b"]
ports = ["/dev/ttyACM*"]
[canary]
share = 0.05
errors = 1
[batches]
size = 16
parallel = 8
[errors]
share = 0.025
revert = false
[order]
seed = 7
[selftest]
windows = ["circle.json", "more"]
at_most = 4
[timeouts]
board_s = 60
boot_s = 2.5
[update]
baud = 921600
stage = 1
attempts = 2
background = true
)";

TEST(RolloutPlan, EveryKeyIsRead) {
  const auto plan = parse_plan(kWhole, "plan.toml");
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(plan->name, "gestures-1.3");
  EXPECT_EQ(plan->file, "gestures.tmlm");
  EXPECT_EQ(plan->select.tag, "bench-3");
  EXPECT_EQ(plan->select.product, "tml-virtual");
  EXPECT_TRUE(plan->select.version->contains(*parse_version("1.2.9")));
  EXPECT_FALSE(plan->select.version->contains(*parse_version("1.3.0")));
  EXPECT_EQ(plan->select.ids, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(plan->canary.boards(64), 4U);  // 3.2, rounded up
  EXPECT_FALSE(plan->canary_errors.exceeded(1, 4));
  EXPECT_TRUE(plan->canary_errors.exceeded(2, 4));
  EXPECT_EQ(plan->batch.boards(64), 16U);
  EXPECT_EQ(plan->parallel, 8U);
  EXPECT_FALSE(plan->errors.exceeded(1, 40));
  EXPECT_TRUE(plan->errors.exceeded(1, 39));
  EXPECT_FALSE(plan->revert);
  EXPECT_EQ(plan->seed, 7U);
  EXPECT_EQ(plan->windows.size(), 2U);
  EXPECT_EQ(plan->most_windows, 4U);
  EXPECT_EQ(plan->board_timeout, Millis{60'000});
  EXPECT_EQ(plan->boot_timeout, Millis{2500});
  EXPECT_EQ(plan->baud, 921'600U);
  EXPECT_EQ(plan->stage, 1);
  EXPECT_EQ(plan->attempts, 2);
  EXPECT_TRUE(plan->background);
}

TEST(RolloutPlan, ErrorsNameLineAndKey) {
  struct Case {
    const char* text;
    Errc code;
    const char* what;
    const char* where;
  };
  const std::string head = "name = \"n\"\nfile = \"f\"\n";
  for (const Case& c : std::initializer_list<Case>{
           {"[select]\ntagg = \"x\"\n", Errc::usage, "select.tagg is not known here", "p:4"},
           {"[batches]\nparallel = 0\n", Errc::usage, "batches.parallel is 0; 1 to 64", "p:4"},
           {"[batches]\nsize = 4\nshare = 0.5\n", Errc::usage, "batches.share and size exclude each other", "p:5"},
           {"[batches]\nshare = 0.0\n", Errc::usage, "batches.share is 0", "p:4"},
           {"[errors]\nshare = 1.5\n", Errc::usage, "errors.share is no number from 0 to 1", "p:4"},
           {"[errors]\nbudget = \"two\"\n", Errc::usage, "errors.budget is no whole number", "p:4"},
           {"[select]\nversion = \">= one\"\n", Errc::usage, "select.version is no range", "p:4"},
           {"[select]\nids = [1]\n", Errc::usage, "select.ids has an entry that is no text", "p:4"},
           {"canary = 2\n", Errc::usage, "canary is no table", "p:3"},
           {"[order]\nseed = -1\n", Errc::usage, "order.seed", "p:4"},
           {"[timeouts]\nboard_s = 0\n", Errc::usage, "timeouts.board_s", "p:4"},
           {"[order\n", Errc::malformed, "no valid TOML", "p:3:"}}) {
    const auto plan = parse_plan(head + c.text, "p");
    ASSERT_FALSE(plan) << c.text;
    EXPECT_EQ(plan.error().code, c.code) << c.text;
    EXPECT_NE(plan.error().what.find(c.what), std::string::npos) << plan.error().message();
    EXPECT_TRUE(plan.error().where.starts_with(c.where)) << plan.error().message();
  }
  EXPECT_NE(parse_plan("name = \"n\"", "p").error().what.find("key file"), std::string::npos);
  EXPECT_NE(parse_plan("file = \"n\"", "p").error().what.find("key name"), std::string::npos);
  for (const char* name : {"../x", ".x", "a b", "a/b"}) {
    EXPECT_FALSE(parse_plan("file = \"f\"\nname = \"" + std::string(name) + "\"", "p")) << name;
  }
}

TEST(RolloutPlan, VersionsAndRanges) {
  EXPECT_EQ(parse_version("1.2.3"), 0x01020003U);
  EXPECT_EQ(parse_version("7"), 0x07000000U);
  EXPECT_EQ(version_text(0x01020003U), "1.2.3");
  for (const char* bad : {"", "1.", "1.2.3.4", "256", "1.256", "1.2.65536", "x", "-1"})
    EXPECT_FALSE(parse_version(bad));
  const auto odd = VersionRange::parse("!=1.2.3, 1.2.4");
  ASSERT_TRUE(odd);
  EXPECT_TRUE(odd->contains(*parse_version("1.2.4")));
  EXPECT_FALSE(odd->contains(*parse_version("1.2.3")));
  EXPECT_FALSE(VersionRange::parse(""));
  EXPECT_FALSE(VersionRange::parse(">=1,"));
}

RC_GTEST_PROP(RolloutPlan, SharesAreExact, ()) {
  const auto ppm = *rc::gen::inRange<std::uint32_t>(0, 1'000'001);
  const auto total = *rc::gen::inRange<std::size_t>(1, 4097);
  const auto failures = *rc::gen::inRange<std::size_t>(0, total + 1);
  Amount amount;
  amount.share_ppm = ppm;
  // By integers, so that 1 of 64 against 1/64 is never a question of rounding.
  RC_ASSERT(amount.exceeded(failures, total) == (failures * 1'000'000 > static_cast<std::uint64_t>(ppm) * total));
  const std::size_t boards = amount.boards(total);
  RC_ASSERT(boards <= total);
  RC_ASSERT(boards * 1'000'000 >= static_cast<std::uint64_t>(ppm) * total || boards == total);
  RC_ASSERT((ppm == 0) == (boards == 0));
}

RC_GTEST_PROP(RolloutPlan, AnyTextIsReadOrRefused, (const std::string& text)) {
  const auto plan = parse_plan(text, "p");
  if (!plan) RC_ASSERT(!plan.error().what.empty());
}

}  // namespace
}  // namespace tml::flashlink
