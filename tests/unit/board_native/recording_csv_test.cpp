// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/recording_csv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <sstream>

namespace tml::fw::native {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Recording read(std::string_view text) {
  auto recording = parse_csv_recording(text, "file.csv");
  EXPECT_TRUE(recording) << recording.error().message();
  return recording ? *recording : Recording{};
}

std::string error_of(std::string_view text) {
  const auto recording = parse_csv_recording(text, "file.csv");
  EXPECT_FALSE(recording);
  return recording ? std::string() : recording.error().message();
}

TEST(CsvRecording, PlainRowsWithoutHeaderOrClock) {
  const Recording out = read("0.1,-0.2,1\r\n0.3,0.4,1e0\n");
  EXPECT_EQ(out.rate_hz, 0);
  ASSERT_EQ(out.axes.size(), 3U);
  EXPECT_EQ(out.axes[0].name, "axis0");
  EXPECT_THAT(out.values, ElementsAre(0.1F, -0.2F, 1.0F, 0.3F, 0.4F, 1.0F));
}

TEST(CsvRecording, HeaderWithUnitsAndClockInMilliseconds) {
  const Recording out = read("timestamp,accX (g),accY [m/s2],temp_g\n0,1,2,3\n10,4,5,6\n20,7,8,9\n");
  EXPECT_NEAR(out.rate_hz, 100, 1e-9);
  ASSERT_EQ(out.axes.size(), 3U);
  EXPECT_EQ(out.axes[0].name, "accX");
  EXPECT_EQ(out.axes[0].unit, "g");
  EXPECT_EQ(out.axes[1].unit, "m/s2");
  EXPECT_EQ(out.axes[2].name, "temp");
  EXPECT_EQ(out.axes[2].unit, "g");
  EXPECT_THAT(out.values, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST(CsvRecording, ClockUnitsFromTheHeader) {
  EXPECT_NEAR(read("time (s),a\n0,1\n0.5,2\n").rate_hz, 2, 1e-9);
  EXPECT_NEAR(read("timestamp_us,a\n0,1\n1000,2\n").rate_hz, 1000, 1e-9);
  EXPECT_NEAR(read("a,seconds\n5,0\n5,0.25\n").rate_hz, 4, 1e-9);
}

TEST(CsvRecording, ClockWithoutHeader) {
  EXPECT_NEAR(read("0,5,6\n10,5,6\n20,5,6\n30,5,6\n").rate_hz, 100, 1e-9);
  EXPECT_NEAR(read("0,5,6\n0.01,5,6\n0.02,5,6\n").rate_hz, 100, 1e-6);
  EXPECT_EQ(read("0,5\n10,5\n9,5\n").axes.size(), 2U);
  EXPECT_EQ(read("0,5\n10,5\n100,5\n110,5\n120,5\n130,5\n").axes.size(), 2U);  // one step far from even
}

TEST(CsvRecording, OtherDelimitersCommentsAndBlankLines) {
  EXPECT_THAT(read("\xEF\xBB\xBF# made by hand\n\n1;2\n3;4;\n").values, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(read("a\tb\n1\t+2\n").values, ElementsAre(1, 2));
  EXPECT_THAT(read("\"x\",\"y\"\n\"1\", 2 \n").values, ElementsAre(1, 2));
}

TEST(CsvRecording, ErrorsNameLineAndColumn) {
  EXPECT_THAT(error_of("1,2\n3,x4\n"), HasSubstr("file.csv:2:2"));
  EXPECT_THAT(error_of("a,b\n1,2\n1,2,3\n"), HasSubstr("file.csv:3"));
  EXPECT_THAT(error_of("1,2\n1,nan\n"), HasSubstr("not a number"));
  EXPECT_THAT(error_of("time,a\n5,1\n5,1\n"), HasSubstr("does not climb"));
  EXPECT_THAT(error_of(""), HasSubstr("no readings"));
  EXPECT_THAT(error_of("timestamp\n1\n2\n"), HasSubstr("no readings"));
  EXPECT_THAT(error_of("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22\n"), HasSubstr("20 axes"));
}

RC_GTEST_PROP(CsvRecording, WhatIsWrittenIsReadBack, ()) {
  const auto axes = *rc::gen::inRange(1, 6);
  const auto rows = *rc::gen::inRange(1, 40);
  const auto values =
      *rc::gen::container<std::vector<int>>(static_cast<std::size_t>(axes * rows), rc::gen::inRange(-100000, 100000));
  std::ostringstream text;
  for (int axis = 0; axis < axes; ++axis) text << (axis == 0 ? "" : ",") << "c" << axis;
  for (int i = 0; i < axes * rows; ++i)
    text << (i % axes == 0 ? "\n" : ",") << static_cast<double>(values[static_cast<std::size_t>(i)]) / 100;
  const auto out = parse_csv_recording(text.str(), "x");
  RC_ASSERT(out.has_value());
  RC_ASSERT(out->values.size() == values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    RC_ASSERT(std::abs(out->values[i] - static_cast<float>(values[i]) / 100.0F) < 1e-2F);
}

RC_GTEST_PROP(CsvRecording, AnyTextIsReadOrRefused, (const std::string& text)) { (void)parse_csv_recording(text, "x"); }

}  // namespace
}  // namespace tml::fw::native
