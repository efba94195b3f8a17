// SPDX-License-Identifier: Apache-2.0
#include "daemon/infer_view.hpp"

#include <gtest/gtest.h>

#include "common/base/json.hpp"

namespace tml::daemon {
namespace {

serial::InferenceResult gestures() {
  serial::InferenceResult result;
  result.dsp_ms = 12;
  result.inference_ms = 0.3;
  result.scores = {{"idle", 0.004}, {"circle", 0.9141}};
  result.anomaly = -0.067;
  return result;
}

TEST(InferView, ALineHasTheBestFirst) {
  EXPECT_EQ(result_line(gestures()), "circle 0.914  idle 0.004  anomaly -0.067");
  EXPECT_EQ(result_line({}), "nothing found");
}

TEST(InferView, WhatTheBoardMadeOfItStandsBehind) {
  serial::InferenceResult result = gestures();
  result.smoothed = "uncertain";
  result.anomalous = true;
  result.second_stage = true;
  EXPECT_EQ(result_line(result), "circle 0.914  idle 0.004  anomaly -0.067 (an anomaly)  result uncertain");
  cli::Reporter reporter({"tml-daemon", true, false, false});
  InferView view(reporter, false, false);
  testing::internal::CaptureStdout();
  view.result(result, {});
  const auto told = parse_json(testing::internal::GetCapturedStdout(), "test");
  ASSERT_TRUE(told);
  EXPECT_EQ((*told)["result"], "uncertain");
  EXPECT_EQ((*told)["is_anomaly"], true);
  EXPECT_EQ((*told)["stage"], 2);
}

TEST(InferView, ProgramsGetOneObjectPerResult) {
  cli::Reporter reporter({"tml-daemon", true, false, false});
  InferView view(reporter, false, false);
  testing::internal::CaptureStdout();
  view.result(gestures(), {});
  view.result(gestures(), "window 2 at 1.00 s");
  const std::string out = testing::internal::GetCapturedStdout();
  const auto first = parse_json(out.substr(0, out.find('\n')), "test");
  ASSERT_TRUE(first);
  EXPECT_EQ((*first)["event"], "inference");
  EXPECT_EQ((*first)["n"], 1);
  EXPECT_EQ((*first)["best"], "circle");
  EXPECT_DOUBLE_EQ((*first)["scores"]["idle"].get<double>(), 0.004);
  EXPECT_DOUBLE_EQ((*first)["timing_ms"]["inference"].get<double>(), 0.3);
  EXPECT_NE(out.find("window 2 at 1.00 s"), std::string::npos);
  EXPECT_EQ(view.results(), 2U);
}

TEST(InferView, BarsAreDrawnOverTheOnesBefore) {
  cli::Reporter reporter({"tml-daemon", false, false, false});
  InferView view(reporter, true, false);
  testing::internal::CaptureStdout();
  view.result(gestures(), {});
  view.result(gestures(), {});
  view.note("overrun: 1 slice lost");
  view.result(gestures(), {});
  const std::string out = testing::internal::GetCapturedStdout();
  // Heading, two bars, anomaly, timing; after a note the next picture begins below it.
  const std::size_t up = out.find("\x1b[5A");
  ASSERT_NE(up, std::string::npos);
  EXPECT_EQ(out.find("\x1b[5A", up + 1), std::string::npos);
}

}  // namespace
}  // namespace tml::daemon
