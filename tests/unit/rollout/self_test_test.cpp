// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a board printed against what the host computed: one digit makes the difference.
#include <gtest/gtest.h>

#include "common/flashlink/self_test.hpp"

namespace tml::flashlink {
namespace {

TestWindow window() {
  TestWindow window;
  window.name = "w";
  window.labels = {"circle", "idle"};
  window.scores = {0.996094, 0.003906};
  window.anomaly = -0.25;
  window.output_hex = "7f80";
  window.layers = {"Layer 0: 16 bytes, crc32 0000000a", "Layer 2: 2 bytes, crc32 0000000b"};
  return window;
}

const std::vector<std::string> kImpulse = {"Timing: DSP 1 ms, inference 2 ms, anomaly 0 ms",
                                           "Predictions:", "  circle: 0.996094", "  idle: 0.003906",
                                           "Anomaly prediction: -0.250000"};
const std::vector<std::string> kModel = {"Layer 0: 16 bytes, crc32 0000000a", "Layer 2: 2 bytes, crc32 0000000b",
                                         "Output: 7f80", "Work: inference 640 instructions"};

std::vector<std::string> with(std::vector<std::string> lines, std::size_t at, const std::string& line) {
  lines[at] = line;
  return lines;
}

TEST(SelfTest, TheSameAnswersPass) {
  const auto impulse = compare_impulse(window(), kImpulse);
  EXPECT_TRUE(impulse) << impulse.error().message();
  const auto model = compare_model(window(), kModel);
  EXPECT_TRUE(model) << model.error().message();
}

TEST(SelfTest, ADigitIsADifference) {
  struct Case {
    std::vector<std::string> lines;
    const char* what;
  };
  for (const Case& c : {Case{with(kImpulse, 2, "  circle: 0.996093"), "the score of circle is 0.996093"},
                        Case{with(kImpulse, 3, "  rest: 0.003906"), "label 1 is rest"},
                        Case{with(kImpulse, 4, "Anomaly prediction: -0.250001"), "the anomaly score"},
                        Case{{kImpulse.begin(), kImpulse.end() - 1}, "an anomaly score is missing"},
                        Case{{}, "the result is missing"}}) {
    const auto same = compare_impulse(window(), c.lines);
    ASSERT_FALSE(same) << c.what;
    EXPECT_EQ(same.error().code, Errc::verification);
    EXPECT_NE(same.error().what.find(c.what), std::string::npos) << same.error().message();
  }
  for (const Case& c : {Case{with(kModel, 2, "Output: 7f81"), "the output tensor is 7f81"},
                        Case{with(kModel, 0, "Layer 0: 16 bytes, crc32 0000000c"), "a layer's output"},
                        Case{{kModel.begin(), kModel.begin() + 2}, "the output tensor is missing"},
                        Case{{kModel.begin() + 2, kModel.end()}, "the number of layers is 0"}}) {
    const auto same = compare_model(window(), c.lines);
    ASSERT_FALSE(same) << c.what;
    EXPECT_NE(same.error().what.find(c.what), std::string::npos) << same.error().message();
  }
}

}  // namespace
}  // namespace tml::flashlink
