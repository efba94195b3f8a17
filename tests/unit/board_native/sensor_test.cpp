// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "firmware/boards/native/board_hal.hpp"
#include "firmware/boards/native/playlist.hpp"
#include "firmware/boards/native/synth.hpp"
#include "firmware/boards/native/synthesise.hpp"
#include "firmware/boards/native/virtual_sensor.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::fw::native {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tml::test::TempDir;

constexpr std::array<hal::Axis, 1> kOneAxis{{{"a", ""}}};
constexpr std::array<hal::Axis, 3> kThreeAxes{{{"accX", "m/s2"}, {"accY", "m/s2"}, {"accZ", "m/s2"}}};

std::vector<float> take(SensorSource& source, std::size_t count) {
  std::vector<float> out(count);
  for (float& value : out) source.next(std::span(&value, 1));
  return out;
}

std::unique_ptr<PlaylistSource> playlist(const std::string& path, std::vector<std::string>* complaints = nullptr) {
  auto source = PlaylistSource::open(path, kOneAxis, [complaints](const Error& error) {
    if (complaints != nullptr) complaints->push_back(error.message());
  });
  EXPECT_TRUE(source) << source.error().message();
  return source ? std::move(*source) : nullptr;
}

TEST(Playlist, PlaysTheFilesOfTheLabelInTurnAndGoesOn) {
  const tml::test::TempDir folder;
  folder.put("b.1.csv", "1\n2\n");
  folder.put("b.2.csv", "3\n4\n");
  folder.put("other/5.csv", "5\n");
  folder.put("README.md", "not a recording");
  const auto source = playlist(folder.path().string());
  EXPECT_EQ(source->file_count(), 3U);
  ASSERT_TRUE(source->begin("B", 100));
  EXPECT_THAT(take(*source, 3), ElementsAre(1, 2, 3));
  EXPECT_THAT(source->description(), HasSubstr("b.2.csv"));
  ASSERT_TRUE(source->begin("other", 100));
  EXPECT_THAT(take(*source, 2), ElementsAre(5, 5));
  ASSERT_TRUE(source->begin("b", 100));
  EXPECT_THAT(take(*source, 5), ElementsAre(1, 2, 3, 4, 1));
  ASSERT_TRUE(source->begin("b", 100));
  EXPECT_THAT(take(*source, 1), ElementsAre(3));
  ASSERT_TRUE(source->begin("unknown", 100));
  EXPECT_THAT(take(*source, 5), ElementsAre(1, 2, 3, 4, 5));
}

TEST(Playlist, ReadingsThatTheCaptureNeverSawAreForTheNextOne) {
  const tml::test::TempDir folder;
  for (const char* const file : {"b.1.csv", "b.2.csv", "b.3.csv"}) folder.put(file, "1\n2\n");
  folder.put("c.csv", "9\n");
  const auto source = playlist(folder.path().string());
  const auto next_after = [&source](std::size_t seen, std::size_t ahead) {
    EXPECT_TRUE(source->begin("b", 100));
    (void)take(*source, seen + ahead);
    source->end(ahead);
    EXPECT_TRUE(source->begin("b", 100));
    const std::string file = source->description();
    (void)source->begin("c", 100);
    return file.substr(file.size() - 7);
  };
  EXPECT_EQ(next_after(2, 0), "b.2.csv");   // 1 played
  EXPECT_EQ(next_after(2, 1), "b.1.csv");   // 3 played, 1 begun and given back
  EXPECT_EQ(next_after(3, 17), "b.1.csv");  // 2 and the half of 3
  EXPECT_EQ(next_after(0, 9), "b.3.csv");   // 2 begun: it had its turn
}

TEST(Playlist, InterpolatesOtherRatesAndPassesTheSameOneUnchanged) {
  const tml::test::TempDir folder;
  const std::string file = folder.put("a.csv", "timestamp,a\n0,0\n10,10\n20,20\n30,30\n").string();
  const auto source = playlist(file);
  ASSERT_TRUE(source->begin("", 100));
  EXPECT_THAT(take(*source, 5), ElementsAre(0, 10, 20, 30, 0));
  ASSERT_TRUE(source->begin("", 200));
  EXPECT_THAT(take(*source, 9), ElementsAre(0, 5, 10, 15, 20, 25, 30, 30, 0));
  ASSERT_TRUE(source->begin("", 50));
  EXPECT_THAT(take(*source, 3), ElementsAre(0, 20, 0));
}

TEST(Playlist, TheRateOfAFileThatDoesNotSay) {
  const tml::test::TempDir folder;
  folder.put("a.csv", "0\n10\n20\n30\n");
  auto source = playlist((folder.path() / "a.csv").string());
  ASSERT_TRUE(source->begin("", 50));
  EXPECT_THAT(take(*source, 3), ElementsAre(0, 10, 20));
  source = playlist((folder.path() / "a.csv").string() + "@100");
  ASSERT_TRUE(source->begin("", 50));
  EXPECT_THAT(take(*source, 2), ElementsAre(0, 20));
}

TEST(Playlist, ABrokenFileIsToldAndLeftOut) {
  const tml::test::TempDir folder;
  folder.put("a.csv", "1\n");
  folder.put("b.csv", "x,\n1,2,3\n");
  std::vector<std::string> complaints;
  const auto source = playlist(folder.path().string(), &complaints);
  ASSERT_TRUE(source->begin("", 1));
  EXPECT_THAT(take(*source, 3), ElementsAre(1, 1, 1));
  ASSERT_EQ(complaints.size(), 1U);
  EXPECT_THAT(complaints[0], HasSubstr("b.csv"));
}

TEST(Playlist, WrongPathsAreToldAtOnce) {
  const tml::test::TempDir folder;
  EXPECT_EQ(PlaylistSource::open((folder.path() / "none").string(), kOneAxis, {}).error().code, Errc::not_found);
  EXPECT_EQ(PlaylistSource::open(folder.path().string(), kOneAxis, {}).error().code, Errc::not_found);
  folder.put("a.csv", "1,2\n");
  const auto narrow = PlaylistSource::open(folder.path().string(), kThreeAxes, {});
  ASSERT_FALSE(narrow);
  EXPECT_THAT(narrow.error().message(), HasSubstr("2 axes"));
}

TEST(Playlist, FitsColumnsByNameThenPositionAndConvertsUnits) {
  Recording named{{{"accZ", "m/s2"}, {"ACCX", "g"}, {"accY", "m/s2"}}, 100, {3, 1, 2}};
  auto fitted = fit_recording(named, kThreeAxes, "x");
  ASSERT_TRUE(fitted);
  EXPECT_THAT(fitted->values, ElementsAre(9.80665F, 2, 3));
  Recording unnamed{{{"x", ""}, {"y", ""}, {"z", ""}, {"w", ""}}, 100, {1, 2, 3, 4}};
  fitted = fit_recording(unnamed, kThreeAxes, "x");
  ASSERT_TRUE(fitted);
  EXPECT_THAT(fitted->values, ElementsAre(1, 2, 3));
  Recording climate{{{"temperature", "Cel"}, {"humidity", "%RH"}, {"pressure", "kPa"}}, 1, {20, 50, 100}};
  fitted = fit_recording(climate, sensor_info(SensorKind::environmental).axes, "x");
  ASSERT_TRUE(fitted);
  EXPECT_THAT(fitted->values, ElementsAre(20, 50, 100'000));
}

std::vector<float> capture(SynthSource& source, SensorKind kind, std::string_view label, double rate_hz, int rows) {
  const std::size_t axes = sensor_info(kind).axes.size();
  std::vector<float> out(axes * static_cast<std::size_t>(rows));
  EXPECT_TRUE(source.begin(label, rate_hz));
  for (std::size_t i = 0; i < out.size(); i += axes) source.next(std::span(out).subspan(i, axes));
  return out;
}

double spread(const std::vector<float>& values, std::size_t axis, std::size_t axes) {
  double sum = 0;
  double squares = 0;
  const double n = static_cast<double>(values.size() / axes);
  for (std::size_t i = axis; i < values.size(); i += axes) {
    sum += values[i];
    squares += static_cast<double>(values[i]) * values[i];
  }
  return std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n)));
}

TEST(Synth, TheSameSeedGivesTheSameCapturesAndNoTwoAlike) {
  SynthSource first(SensorKind::accelerometer, "auto", 5);
  SynthSource second(SensorKind::accelerometer, "auto", 5);
  const auto one = capture(first, SensorKind::accelerometer, "wave", 100, 200);
  EXPECT_EQ(capture(second, SensorKind::accelerometer, "wave", 100, 200), one);
  EXPECT_NE(capture(first, SensorKind::accelerometer, "wave", 100, 200), one);
}

TEST(Synth, TheLabelChoosesThePattern) {
  SynthSource source(SensorKind::accelerometer, "auto", 1);
  const auto idle = capture(source, SensorKind::accelerometer, "anything", 100, 500);
  EXPECT_EQ(source.description(), "synth:idle");
  const auto wave = capture(source, SensorKind::accelerometer, "Wave", 100, 500);
  EXPECT_EQ(source.description(), "synth:wave");
  const auto updown = capture(source, SensorKind::accelerometer, "updown", 100, 500);
  EXPECT_LT(spread(idle, 0, 3), 0.2);
  EXPECT_GT(spread(wave, 0, 3), 4 * spread(wave, 2, 3));
  EXPECT_GT(spread(updown, 2, 3), 4 * spread(updown, 0, 3));
  SynthSource fixed(SensorKind::accelerometer, "shake", 1);
  capture(fixed, SensorKind::accelerometer, "wave", 100, 1);
  EXPECT_EQ(fixed.description(), "synth:shake");
}

TEST(Synth, SoundsStayInRangeAndDiffer) {
  SynthSource source(SensorKind::microphone, "auto", 1);
  std::vector<double> levels;
  for (const std::string_view label : synth_patterns(SensorKind::microphone)) {
    const auto sound = capture(source, SensorKind::microphone, label, 16000, 16000);
    for (const float value : sound) ASSERT_LE(std::abs(value), 32767) << label;
    levels.push_back(spread(sound, 0, 1));
  }
  EXPECT_LT(levels[1], 100);
  EXPECT_GT(levels[0], 5 * levels[1]);
  EXPECT_GT(levels[2], 5 * levels[1]);
}

TEST(Synth, WritesRecordingsThatAreReadBack) {
  const tml::test::TempDir folder;
  const auto written = synthesise(folder.path() / "out", 3);
  ASSERT_TRUE(written) << written.error().message();
  EXPECT_EQ(*written, 3 * (6 + 5 + 3));
  for (const auto& [kind, name, label] : std::vector<std::tuple<SensorKind, std::string, std::string>>{
           {SensorKind::accelerometer, "accelerometer", "wave"},
           {SensorKind::microphone, "microphone", "yes"},
           {SensorKind::environmental, "environmental", "heating"}}) {
    const auto source = PlaylistSource::open((folder.path() / "out" / name).string(), sensor_info(kind).axes, {});
    ASSERT_TRUE(source) << source.error().message();
    ASSERT_TRUE((*source)->begin(label, 1));
    EXPECT_THAT((*source)->description(), HasSubstr("/" + label));
  }
}

class CountingSource final : public SensorSource {
 public:
  bool begin(std::string_view label, double rate_hz) override {
    label_ = label;
    rate_ = rate_hz;
    return label_ != "refuse";
  }
  void next(std::span<float> row) override { row[0] = value_ += 20000; }
  std::string description() const override { return {}; }
  std::string label_;
  double rate_ = 0;
  float value_ = 0;
};

TEST(VirtualSensor, ReadingsAreDueByTheDeviceClock) {
  ManualClock clock;
  const BoardClock board(clock, 10);
  std::string label = "wave";
  auto source = std::make_unique<CountingSource>();
  CountingSource& counting = *source;
  VirtualSensor sensor(SensorKind::microphone, std::move(source), board, [&label] { return label; });
  ASSERT_TRUE(sensor.start(0.0625));
  EXPECT_EQ(counting.label_, "wave");
  EXPECT_NEAR(counting.rate_, 16000, 1e-6);
  std::array<std::int16_t, 100> into{};
  EXPECT_EQ(sensor.read_audio(into), 0U);
  EXPECT_EQ(sensor.ready_us(), 63U);
  clock.advance(100us);  // 1 ms for the device
  EXPECT_EQ(sensor.read_audio(std::span(into).first(3)), 3U);
  EXPECT_THAT(std::vector<int>(into.begin(), into.begin() + 3), ElementsAre(20000, 32767, 32767));
  EXPECT_EQ(sensor.read_audio(into), 13U);
  EXPECT_EQ(sensor.read_audio(into), 0U);
  EXPECT_EQ(sensor.ready_us(), 1063U);
  clock.advance(1min);
  EXPECT_EQ(sensor.read_audio(into), 100U);
  EXPECT_EQ(sensor.lost(), 0U);
  sensor.stop();
  EXPECT_EQ(sensor.read_audio(into), 0U);
  label = "refuse";
  EXPECT_FALSE(sensor.start(10));
  label = "wave";
  EXPECT_FALSE(sensor.start(0));
}

TEST(Synth, AnInertialUnitMovesTurnsAndKnowsNorth) {
  for (const auto& [kind, axes] : {std::pair{SensorKind::inertial, 9U}, std::pair{SensorKind::inertial6, 6U}}) {
    SynthSource source(kind, "wave", 1);
    ASSERT_EQ(sensor_info(kind).axes.size(), axes);
    const auto rows = capture(source, kind, "", 100, 500);
    EXPECT_GT(spread(rows, 0, axes), 2);
    EXPECT_GT(spread(rows, 5, axes), 10 * spread(rows, 4, axes) / 2);
    if (axes == 9) {
      EXPECT_NEAR(rows[8], -44, 3);
      EXPECT_GT(spread(rows, 7, axes), 1);
    }
  }
  EXPECT_EQ(sensor_kind("Inertial"), SensorKind::inertial);
  EXPECT_EQ(sensor_kind("inertial 6-axis"), SensorKind::inertial6);
  EXPECT_EQ(sensor_info(SensorKind::inertial6).axes[5].name, "gyrZ");
}

TEST(BoardClock, DeviceTimeRunsFasterAndWireTimeDoesNot) {
  ManualClock clock;
  const BoardClock board(clock, 20);
  clock.advance(3ms);
  EXPECT_EQ(board.wire_us(), 3000U);
  EXPECT_EQ(board.device_us(), 60'000U);
  EXPECT_EQ(board.wire_delay_us(2'000'000), 100'000U);
  EXPECT_EQ(board.wire_delay_us(1), 1U);
}

}  // namespace
}  // namespace tml::fw::native
