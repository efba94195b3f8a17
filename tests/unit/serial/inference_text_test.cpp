// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "common/serial/inference_text.hpp"

namespace tml::serial {
namespace {

using Line = InferenceText::Line;

void feed(InferenceText& text, std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    static_cast<void>(text.push(lines.substr(0, end)));
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
  }
}

constexpr std::string_view kSettings =
    "Inferencing settings:\n\tInterval: 16.00 ms.\n\tFrame size: 375\n\tSample length: 2000 ms.\n\tNo. of classes: 2\n"
    "Starting inferencing, press 'b' to break\nStarting inferencing in 2 seconds...\nSampling...\n";
constexpr std::string_view kResult =
    "Timing: DSP 12 ms, inference 300 us, anomaly 1 ms\n#Classification predictions:\n  idle: 0.910156\n  wave: "
    "0.003906\nAnomaly prediction: -0.067000\n";

TEST(InferenceText, CurrentFirmware) {
  InferenceText text;
  feed(text, kSettings);
  EXPECT_DOUBLE_EQ(text.settings().interval_ms, 16);
  EXPECT_EQ(text.settings().frame_size, 375U);
  EXPECT_DOUBLE_EQ(text.settings().sample_ms, 2000);
  EXPECT_EQ(text.settings().classes, 2U);
  feed(text, kResult);
  // Whether more belongs to the first result cannot be known before something else comes.
  EXPECT_FALSE(text.take());
  EXPECT_EQ(text.push("Starting inferencing in 2 seconds..."), Line::note);
  const auto result = text.take();
  ASSERT_TRUE(result);
  EXPECT_DOUBLE_EQ(result->dsp_ms, 12);
  EXPECT_DOUBLE_EQ(result->inference_ms, 0.3);
  EXPECT_DOUBLE_EQ(result->anomaly_ms, 1);
  ASSERT_EQ(result->scores.size(), 2U);
  EXPECT_EQ(result->best()->label, "idle");
  EXPECT_DOUBLE_EQ(result->best()->value, 0.910156);
  ASSERT_TRUE(result->anomaly);
  EXPECT_DOUBLE_EQ(*result->anomaly, -0.067);
}

TEST(InferenceText, LaterResultsDoNotWaitForTheNextLine) {
  InferenceText text;
  feed(text, kSettings);
  feed(text, kResult);
  feed(text, "Sampling...\n");
  ASSERT_TRUE(text.take());
  feed(text, kResult);
  EXPECT_TRUE(text.take());
}

TEST(InferenceText, OurFirmwareTellsWorkAndWhatItMadeOfTheWindows) {
  constexpr std::string_view kOurs =
      "Timing: DSP 11 us, inference 27 us, anomaly 0 ms\nWork: DSP 8473, inference 24777, anomaly 0 cpu-ns\n"
      "#Classification predictions:\n  idle: 0.500000\n  wave: 0.500000\nAnomaly prediction: 3.000000\nResult: "
      "uncertain\n"
      "Anomaly: yes\n";
  InferenceText text;
  feed(text, kSettings);
  feed(text, kOurs);
  EXPECT_FALSE(text.take());
  feed(text, "Sampling...\n");
  const auto first = text.take();
  ASSERT_TRUE(first);
  ASSERT_EQ(first->scores.size(), 2U);
  EXPECT_DOUBLE_EQ(first->anomaly.value_or(0), 3);
  EXPECT_EQ(first->smoothed, "uncertain");
  EXPECT_TRUE(first->anomalous.value_or(false));
  feed(text, kOurs);
  const auto second = text.take();
  ASSERT_TRUE(second);
  EXPECT_EQ(second->smoothed, "uncertain");
  EXPECT_TRUE(second->anomalous.value_or(false));
  // Outside a result they are words like any others.
  EXPECT_EQ(text.push("Work: none"), Line::note);
}

TEST(InferenceText, ACascadesSecondStage) {
  InferenceText text;
  feed(text, kSettings);
  feed(text, kResult);
  feed(text, "Cascade: gate 0.875000, open, second stage ran 1 of 1 windows\n");
  feed(text, kResult);
  feed(text, kResult);
  feed(text, "Cascade: gate 0.100000, closed, second stage ran 1 of 2 windows\n");
  feed(text, kResult);
  text.finish();
  for (const bool second : {false, true, false, false}) {
    const auto result = text.take();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->second_stage, second);
  }
}

TEST(InferenceText, OlderFirmware) {
  InferenceText text;
  feed(text,
       "Predictions (DSP: 12 ms., Classification: 3 ms., Anomaly: 1 ms.): \n    idle: \t0.5\n    up down: \t0.25\n"
       "    anomaly score: 1.25\n");
  text.finish();
  const auto result = text.take();
  ASSERT_TRUE(result);
  EXPECT_DOUBLE_EQ(result->dsp_ms, 12);
  EXPECT_DOUBLE_EQ(result->inference_ms, 3);
  ASSERT_EQ(result->scores.size(), 2U);
  EXPECT_EQ(result->scores[1].label, "up down");
  EXPECT_DOUBLE_EQ(result->anomaly.value_or(0), 1.25);
}

TEST(InferenceText, BoxesRegressionAndImages) {
  InferenceText text;
  feed(text,
       "Image resolution: 96x64\nTiming: DSP 1 ms, inference 2 ms, anomaly 0 ms\n#Object detection bounding boxes:\n"
       "  cup (0.91) [ x: 8, y: 16, width: 24, height: 32 ]\n#Regression prediction: 3.5\n");
  text.finish();
  EXPECT_EQ(text.settings().image_width, 96U);
  EXPECT_EQ(text.settings().image_height, 64U);
  const auto result = text.take();
  ASSERT_TRUE(result);
  ASSERT_EQ(result->boxes.size(), 1U);
  EXPECT_EQ(result->boxes[0].label, "cup");
  EXPECT_DOUBLE_EQ(result->boxes[0].score, 0.91);
  EXPECT_EQ(result->boxes[0].x, 8U);
  EXPECT_EQ(result->boxes[0].height, 32U);
  EXPECT_DOUBLE_EQ(result->regression.value_or(0), 3.5);
}

TEST(InferenceText, StaticResultsHaveAPlainHeading) {
  InferenceText text;
  feed(text, "Timing: DSP 1 ms, inference 2 ms, anomaly 0 ms\nPredictions:\n  a:b: 0.75\n");
  text.finish();
  const auto result = text.take();
  ASSERT_TRUE(result);
  ASSERT_EQ(result->scores.size(), 1U);
  EXPECT_EQ(result->scores[0].label, "a:b");
}

TEST(InferenceText, LabelsMayReadLikeHeadings) {
  InferenceText text;
  feed(text,
       "Timing: DSP 1 ms, inference 2 ms, anomaly 0 ms\n#Classification predictions:\n  Classification: 0.5\n"
       "  #noise: 0.25\n  Timing: 0.125\n  Regression: 0.0625\n");
  text.finish();
  const auto result = text.take();
  ASSERT_TRUE(result);
  ASSERT_EQ(result->scores.size(), 4U);
  EXPECT_EQ(result->scores[1].label, "#noise");
  EXPECT_EQ(result->scores[2].label, "Timing");
  EXPECT_FALSE(text.take());
}

TEST(ModelRate, IsThatOfTheActiveBankOfSlotZero) {
  constexpr std::string_view kInfo =
      "Slot 0A: valid\n\tSensor: any, axes 0 1 2, 50.00 Hz, window 10, stride 5\n"
      "Slot 0B: valid, active\n\tSensor: Built-in accelerometer, axes 0 1 2, 104.00 Hz, window 208, stride 26\n"
      "Slot 1A: valid, active\n\tSensor: any, axes 0, 16000.00 Hz, window 16000, stride 4000\nSlot 1B: empty\n";
  EXPECT_DOUBLE_EQ(model_rate_hz(kInfo).value_or(0), 104);
  EXPECT_FALSE(
      model_rate_hz("Slot 0A: empty\nSlot 1A: valid, active\n\tSensor: any, axes 0, 100.00 Hz, window 1, stride 1\n"));
  EXPECT_FALSE(model_rate_hz("Command not found! (AT+MODELINFO)\n"));
  EXPECT_FALSE(model_rate_hz("Slot 0A: valid, active\n\tSensor: camera, 96x96, RGB\n"));
}

TEST(InferenceText, OtherLinesAreNotesAndDamagedOnesToo) {
  InferenceText text;
  EXPECT_EQ(text.push("Sampling..."), Line::note);
  EXPECT_EQ(text.push("ERR: no model"), Line::note);
  EXPECT_EQ(text.push(""), Line::blank);
  EXPECT_EQ(text.push("Timing: DSP 1 ms, inference 2 ms, anomaly 0 ms"), Line::result);
  EXPECT_EQ(text.push("#Classification predictions:"), Line::result);
  EXPECT_EQ(text.push("  idle: 0.9x"), Line::note);
  EXPECT_EQ(text.push("  idle: nan"), Line::note);
  EXPECT_EQ(text.push("Anomaly prediction: ?"), Line::note);
}

RC_GTEST_PROP(InferenceText, ReadsWhatIsPrinted, ()) {
  const auto classes = *rc::gen::inRange<std::size_t>(1, 40);
  InferenceText text;
  std::string printed = "Timing: DSP 1 ms, inference 2 ms, anomaly 0 ms\n#Classification predictions:\n";
  std::vector<double> values;
  for (std::size_t i = 0; i < classes; ++i) {
    const int q = *rc::gen::inRange(0, 257);
    values.push_back(q / 256.0);
    char line[64];
    std::snprintf(line, sizeof line, "  label %zu: %.6f\n", i, values.back());
    printed += line;
  }
  feed(text, printed);
  text.finish();
  const auto result = text.take();
  RC_ASSERT(result.has_value());
  RC_ASSERT(result->scores.size() == classes);
  for (std::size_t i = 0; i < classes; ++i) {
    RC_ASSERT(result->scores[i].label == "label " + std::to_string(i));
    RC_ASSERT(std::abs(result->scores[i].value - values[i]) < 1e-6);
  }
}

}  // namespace
}  // namespace tml::serial
