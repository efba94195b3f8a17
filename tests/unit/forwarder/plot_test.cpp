// SPDX-License-Identifier: Apache-2.0
#include "forwarder/plot.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tml::forwarder {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

/// Readings of one axis, one per slice.
Trace trace_of(std::initializer_list<double> values) {
  Trace trace;
  stream::Reading reading;
  for (const double value : values) {
    reading.at += Trace::kSlice;
    reading.values = {};
    reading.values.append(value);
    trace.push(reading);
  }
  return trace;
}

StationStatus station_of(std::string name) {
  StationStatus station;
  station.name = std::move(name);
  station.device = "14:91:31:40";
  station.state = StationState::streaming;
  station.remote = RemoteState::connected;
  station.kind = stream::StreamKind::text;
  station.axes = {"accX", "accY"};
  station.rate_hz = 99.98;
  station.rate_error_ppm = 42;
  station.rate_settled = true;
  station.readings = 12345;
  station.missing = 3;
  station.samples = 7;
  station.last_sample = "idle.json.abc";
  station.spool_waiting = 2;
  stream::Reading reading;
  for (int i = 0; i < 300; ++i) {
    reading.at += Trace::kSlice;
    reading.values = {};
    reading.values.append(i % 10);
    reading.values.append(-9.81);
    station.trace.push(reading);
  }
  station.last = reading.values;
  return station;
}

TEST(Sparkline, ScalesBetweenLeastAndMost) {
  EXPECT_EQ(sparkline(trace_of({0, 1, 2, 3, 4, 5, 6, 7}), 0, 8), "▁▂▃▄▅▆▇█");
  EXPECT_EQ(sparkline(trace_of({-1.7e308, 1.7e308}), 0, 2), "▄▄");
  EXPECT_EQ(sparkline(trace_of({5, 5, 5}), 0, 5), "  ▄▄▄");
  EXPECT_EQ(sparkline(trace_of({1, 9, 0, 7}), 0, 2), "▁█");
  EXPECT_EQ(sparkline(Trace{}, 0, 3), "   ");
}

TEST(Sparkline, ShowsGapsAndShortPeaks) {
  Trace trace = trace_of({0, 0, 0});
  trace.gap(4);
  stream::Reading reading;
  reading.at = Trace::kSlice * 10;
  reading.values.append(0);
  trace.push(reading);
  EXPECT_EQ(sparkline(trace, 0, 4), "▄▄▄×");
  // A peak within a slice that otherwise lies on the floor.
  Trace peak = trace_of({0, 0});
  reading = {};
  for (const double value : {0.0, 8.0, 0.0}) {
    reading.at = Trace::kSlice * 3 + std::chrono::milliseconds(1);
    reading.values = {};
    reading.values.append(value);
    peak.push(reading);
  }
  EXPECT_EQ(sparkline(peak, 0, 3), "▁▁█");
}

TEST(Trace, IsBoundedAndStartsAnewWithOtherAxes) {
  StationStatus station = station_of("a");
  EXPECT_EQ(station.trace.slices().size(), Trace::kSlices);
  stream::Reading reading;
  reading.values.append(1);
  station.trace.push(reading);
  EXPECT_EQ(station.trace.axes(), 1U);
  EXPECT_EQ(station.trace.slices().size(), 1U);
}

TEST(Trace, ManyReadingsShareASlice) {
  Trace trace;
  stream::Reading reading;
  reading.values.append(1);
  for (int i = 0; i < 1000; ++i) {
    trace.push(reading);
    reading.at += std::chrono::milliseconds(1);
  }
  EXPECT_EQ(trace.slices().size(), 20U);
}

TEST(Plot, BlockOfOneStation) {
  const StationStatus station = station_of("/dev/ttyACM0");
  const StationStatus* const one = &station;
  const std::string text = render_plot({&one, 1}, {100, 24, false}, "note");
  const auto lines = lines_of(text);
  ASSERT_EQ(lines.size(), 7U);
  EXPECT_EQ(lines[0], "tml-forwarder  1 input  spool: 2 waiting");
  EXPECT_THAT(lines[1],
              AllOf(HasSubstr("/dev/ttyACM0  14:91:31:40  streaming  remote connected"), HasSubstr("12,345")));
  EXPECT_THAT(lines[2], AllOf(HasSubstr("99.98 Hz ± 42 ppm"), HasSubstr("missing 3"), HasSubstr("samples 7")));
  EXPECT_THAT(lines[3], AllOf(HasSubstr("accX"), HasSubstr("▁"), HasSubstr("█"), HasSubstr("0 .. 9")));
  EXPECT_THAT(lines[4], AllOf(HasSubstr("accY"), HasSubstr("-9.81")));
  EXPECT_EQ(lines[5], "  last sample idle.json.abc");
  EXPECT_EQ(lines[6], "note");
}

TEST(Plot, ManyStationsGetALineEach) {
  std::vector<StationStatus> stations;
  for (int i = 0; i < 32; ++i) stations.push_back(station_of("ttyUSB" + std::to_string(i)));
  std::vector<const StationStatus*> shown;
  for (const StationStatus& station : stations) shown.push_back(&station);
  auto lines = lines_of(render_plot(shown, {120, 40, false}, ""));
  ASSERT_EQ(lines.size(), 33U);
  EXPECT_THAT(lines[32], AllOf(HasSubstr("ttyUSB31"), HasSubstr("99.98 Hz")));
  lines = lines_of(render_plot(shown, {120, 10, false}, "note"));
  ASSERT_EQ(lines.size(), 10U);
  EXPECT_EQ(lines[8], "and 25 more");
  EXPECT_EQ(lines[9], "note");
}

TEST(Plot, SamplingShowsItsProgress) {
  StationStatus station = station_of("a");
  station.state = StationState::sampling;
  station.progress = 0.427;
  const StationStatus* const one = &station;
  EXPECT_THAT(render_plot({&one, 1}, {}, ""), HasSubstr("sampling 43 %"));
}

TEST(Plot, ColoursOnlyWhenWanted) {
  const StationStatus station = station_of("a");
  const StationStatus* const one = &station;
  EXPECT_THAT(render_plot({&one, 1}, {80, 24, false}, ""), Not(HasSubstr("\033")));
  EXPECT_THAT(render_plot({&one, 1}, {80, 24, true}, ""), HasSubstr("\033[32m"));
}

TEST(Plot, NothingForeignReachesTheTerminal) {
  StationStatus station = station_of("evil\033[2Jname");
  station.axes = {"a\r\nb", "\xff\xc2\x9b"};
  const StationStatus* const one = &station;
  const std::string text = render_plot({&one, 1}, {80, 24, false}, "note\a\033]0;x");
  EXPECT_THAT(text, AllOf(Not(HasSubstr("\033")), Not(HasSubstr("\r")), Not(HasSubstr("\a")), Not(HasSubstr("\xff")),
                          Not(HasSubstr("\xc2\x9b"))));
}

RC_GTEST_PROP(PlotProperty, FitsIntoAnyWindow, ()) {
  const auto columns = *rc::gen::inRange<std::size_t>(1, 200);
  const auto rows = *rc::gen::inRange<std::size_t>(1, 60);
  const auto count = *rc::gen::inRange<std::size_t>(0, 40);
  std::vector<StationStatus> stations;
  for (std::size_t i = 0; i < count; ++i) {
    StationStatus station;
    station.name = *rc::gen::string<std::string>();
    station.axes.assign(*rc::gen::inRange<std::size_t>(0, 21), *rc::gen::string<std::string>());
    if (*rc::gen::arbitrary<bool>()) station.trace = station_of("").trace;
    station.rate_hz = *rc::gen::arbitrary<double>();
    stations.push_back(std::move(station));
  }
  std::vector<const StationStatus*> shown;
  for (const StationStatus& station : stations) shown.push_back(&station);
  const auto lines = lines_of(render_plot(shown, {columns, rows, false}, *rc::gen::string<std::string>()));
  RC_ASSERT(lines.size() <= rows);
  for (const std::string& line : lines) RC_ASSERT(characters(line) <= columns);
}

}  // namespace
}  // namespace tml::forwarder
