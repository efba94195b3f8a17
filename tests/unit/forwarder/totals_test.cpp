// SPDX-License-Identifier: Apache-2.0
#include "forwarder/totals.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tml::forwarder {
namespace {

using ::testing::HasSubstr;

TEST(RunTotals, WhatWasNotKept) {
  RunTotals totals;
  EXPECT_FALSE(not_kept(totals));
  totals.counters.abandoned = 3;
  totals.counters.not_captured = 5;
  EXPECT_FALSE(not_kept(totals)) << "these were never samples";
  totals.counters.rejected = 1;
  totals.counters.dropped = 2;
  totals.counters.failed = 3;
  totals.dropped_oldest = 4;
  EXPECT_EQ(not_kept(totals)->code, Errc::refused);
  totals.samples = 1;
  EXPECT_EQ(not_kept(totals)->code, Errc::partial);
  EXPECT_THAT(not_kept(totals)->what, HasSubstr("10 sample(s)"));
}

TEST(RunTotals, WhatWasNotDelivered) {
  Remainder left;
  left.earlier = 7;
  EXPECT_FALSE(not_delivered(left)) << "what earlier runs left is not this run's failure";
  left.refused = 1;
  EXPECT_EQ(not_delivered(left)->code, Errc::refused);
  left.pending = 1;
  left.reason = "no route";
  EXPECT_EQ(not_delivered(left)->code, Errc::network);
  EXPECT_THAT(not_delivered(left)->what, HasSubstr("2 sample(s) are stored but not delivered (no route)"));
  left.held = 1;
  EXPECT_EQ(not_delivered(left)->code, Errc::auth);
}

TEST(RunTotals, TheSummaryTellsEarlierSamplesApart) {
  cli::Reporter reporter({"test", true, false, false});
  RunTotals totals;
  totals.samples = 2;
  Remainder left;
  left.pending = 1;
  left.held = 1;
  left.earlier = 3;
  testing::internal::CaptureStdout();
  tell_summary(reporter, totals, left);
  const std::string line = testing::internal::GetCapturedStdout();
  EXPECT_THAT(line, HasSubstr(R"("waiting":2)"));
  EXPECT_THAT(line, HasSubstr(R"("earlier":3)"));
  EXPECT_THAT(line, HasSubstr(R"("stored":2)"));
}

}  // namespace
}  // namespace tml::forwarder
