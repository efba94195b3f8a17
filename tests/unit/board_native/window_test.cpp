// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The host's side of the window to the firmware in QEMU, with the test as the firmware.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <limits>

#include "firmware/boards/native/psram_file.hpp"
#include "firmware/boards/native/virtual_sensor.hpp"
#include "firmware/boards/native/window_feeder.hpp"
#include "firmware/hal/flash_layout.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::fw::native {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

/// Counts: reading n of capture c is 1000 c + n on each axis.
class Counter final : public SensorSource {
 public:
  bool begin(std::string_view label, double /*rate_hz*/) override {
    if (label == "refuse") return false;
    value_ = 1000.0F * static_cast<float>(++captures_);
    return true;
  }
  void next(std::span<float> row) override {
    std::fill(row.begin(), row.end(), value_);
    value_ += 1;
  }
  void end(std::size_t unseen) override { unseen_.push_back(unseen); }
  [[nodiscard]] std::string description() const override { return "counter"; }

  std::vector<std::size_t> unseen_;

 private:
  int captures_ = 0;
  float value_ = 0;
};

class WindowTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<PsramFile>> file = PsramFile::open(folder_.path());
    ASSERT_TRUE(file) << file.error().message();
    file_ = std::move(*file);
    std::vector<std::unique_ptr<SensorSource>> sources;
    for (Counter*& counter : counters_) {
      sources.push_back(std::make_unique<Counter>());
      counter = static_cast<Counter*>(sources.back().get());  // NOLINT: made in the line before
    }
    feeder_ = std::make_unique<WindowFeeder>(
        window(), std::move(sources), std::make_unique<CameraSynth>("bars", 1), CameraForm::rgb,
        [this](std::string_view sensor, const std::string& label, const std::string& source) {
          started_.push_back(std::string(sensor) + "/" + label + "/" + source);
        });
  }
  mps2::Window& window() { return file_->window(); }
  mps2::SensorChannel& channel(SensorKind kind) { return window().sensors[static_cast<std::size_t>(kind)]; }
  bool ask(SensorKind kind, mps2::Command command, const std::string& label = "") {
    mps2::SensorChannel& asked = channel(kind);
    asked.command = command;
    asked.rate_hz = 100;
    asked.label = {};
    std::copy(label.begin(), label.end(), asked.label.begin());
    if (command == mps2::Command::start) asked.tail = 0;
    ++asked.request;
    feeder_->serve();
    EXPECT_EQ(asked.reply, asked.request);
    return asked.accepted == 1;
  }
  std::vector<float> take_rows(SensorKind kind, std::size_t count) {
    const std::size_t axes = sensor_info(kind).axes.size();
    const std::size_t capacity = mps2::ring_readings(sensor_info(kind));
    std::vector<float> out;
    mps2::SensorChannel& from = channel(kind);
    for (std::size_t i = 0; i < count; ++i, ++from.tail) {
      EXPECT_NE(from.tail, from.head);
      float first = 0;
      std::memcpy(&first, window().rings[static_cast<std::size_t>(kind)].data() + from.tail % capacity * axes * 4, 4);
      out.push_back(first);
    }
    return out;
  }

  tml::test::TempDir folder_;
  std::unique_ptr<PsramFile> file_;
  std::array<Counter*, boards::kSensorKinds> counters_{};
  std::unique_ptr<WindowFeeder> feeder_;
  std::vector<std::string> started_;
};

TEST_F(WindowTest, ReadingsComeInOrderOverTheEndOfTheRing) {
  const SensorKind kind = SensorKind::inertial;
  const auto capacity = static_cast<std::uint32_t>(mps2::ring_readings(sensor_info(kind)));
  ASSERT_TRUE(ask(kind, mps2::Command::start, "wave"));
  EXPECT_THAT(started_, ElementsAre("Inertial/wave/counter"));
  EXPECT_EQ(channel(kind).head, capacity);
  float expected = 1000;
  for (int round = 0; round < 5; ++round) {
    for (const float value : take_rows(kind, capacity * 3 / 4)) EXPECT_EQ(value, expected++);
    feeder_->serve();
    EXPECT_EQ(channel(kind).head - channel(kind).tail, capacity);
  }
}

TEST_F(WindowTest, WhatWasNotTakenGoesBack) {
  const SensorKind kind = SensorKind::accelerometer;
  ASSERT_TRUE(ask(kind, mps2::Command::start));
  take_rows(kind, 5);
  const std::size_t ahead = channel(kind).head - 5;
  ask(kind, mps2::Command::stop);
  Counter& counter = *counters_[static_cast<std::size_t>(kind)];
  EXPECT_THAT(counter.unseen_, ElementsAre(ahead));
  ASSERT_TRUE(ask(kind, mps2::Command::start));
  EXPECT_EQ(take_rows(kind, 1).front(), 2000);
  feeder_->stop();
  feeder_->stop();
  EXPECT_EQ(counter.unseen_.size(), 2U);
}

TEST_F(WindowTest, AudioIsInteger) {
  ASSERT_TRUE(ask(SensorKind::microphone, mps2::Command::start));
  std::array<std::int16_t, 3> samples{};
  std::memcpy(samples.data(), window().rings[1].data(), sizeof samples);
  EXPECT_THAT(samples, ElementsAre(1000, 1001, 1002));
}

TEST_F(WindowTest, NonsenseIsRefused) {
  EXPECT_FALSE(ask(SensorKind::accelerometer, mps2::Command::start, "refuse"));
  mps2::SensorChannel& asked = channel(SensorKind::accelerometer);
  for (const double rate : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    asked.rate_hz = rate;
    asked.command = mps2::Command::start;
    ++asked.request;
    feeder_->serve();
    EXPECT_EQ(asked.accepted, 0U) << rate;
  }
  asked.label.fill('x');  // not terminated
  asked.rate_hz = 1;
  asked.tail = 0xFFFF0000;  // beyond the head
  ++asked.request;
  feeder_->serve();
  EXPECT_EQ(started_.back(), "Built-in accelerometer/" + std::string(128, 'x') + "/counter");
}

TEST_F(WindowTest, PicturesAreDrawnWhenAskedFor) {
  mps2::CameraChannel& camera = window().camera;
  EXPECT_EQ(camera.present, 1U);
  camera.width = 96;
  camera.height = 96;
  ++camera.request;
  feeder_->serve();
  EXPECT_EQ(camera.reply, camera.request);
  EXPECT_EQ(camera.bytes, 96U * 96U * 3U);
  EXPECT_EQ(window().frame[0], 191);
  camera.width = 100'000;
  ++camera.request;
  feeder_->serve();
  EXPECT_EQ(camera.bytes, 0U);
}

TEST(PsramFileTest, IsBlankWhenNewAndKeepsItsContent) {
  const tml::test::TempDir folder;
  {
    const auto file = PsramFile::open(folder.path());
    ASSERT_TRUE(file) << file.error().message();
    std::vector<std::uint8_t> cells(mps2::kWindowOffset);
    ASSERT_TRUE((*file)->read(0, cells));
    EXPECT_THAT(cells, Each(0xFF));
    ASSERT_TRUE((*file)->program(hal::kConfigRegion.offset, std::array<std::uint8_t, 1>{0x12}));
    EXPECT_FALSE((*file)->program(mps2::kWindowOffset, std::array<std::uint8_t, 1>{0x12}));
    EXPECT_FALSE((*file)->erase_sector(mps2::kWindowOffset));
    EXPECT_FALSE((*file)->erase_sector(1));
    ASSERT_TRUE((*file)->erase_sector(hal::kFlashSectorBytes));
  }
  const auto file = PsramFile::open(folder.path());
  ASSERT_TRUE(file);
  std::array<std::uint8_t, 1> byte{};
  ASSERT_TRUE((*file)->read(0, byte));
  EXPECT_EQ(byte[0], 0x12);
  EXPECT_EQ((*file)->wear().erases, 1U);
  EXPECT_EQ((*file)->wear().most_worn_sector, 1U);
}

TEST(PsramFileTest, OneThatWasCutShortIsMadeAgainAndAnotherSizeIsRefused) {
  const tml::test::TempDir folder;
  folder.put("psram.bin", std::string());
  std::filesystem::resize_file(folder.path() / "psram.bin", mps2::kPsramBytes);
  {
    const auto file = PsramFile::open(folder.path());
    ASSERT_TRUE(file);
    std::array<std::uint8_t, 4> bytes{};
    ASSERT_TRUE((*file)->read(mps2::kWindowOffset - 4, bytes));
    EXPECT_THAT(bytes, Each(0xFF));
  }
  std::filesystem::resize_file(folder.path() / "psram.bin", 4096);
  const auto file = PsramFile::open(folder.path());
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Errc::usage);
}

}  // namespace
}  // namespace tml::fw::native
