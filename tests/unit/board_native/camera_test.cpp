// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>
#include <rapidcheck/gtest.h>

#include "common/base/file.hpp"
#include "firmware/boards/native/board_hal.hpp"
#include "firmware/boards/native/virtual_camera.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::fw::native {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using tml::test::TempDir;

Picture plain(std::uint32_t width, std::uint32_t height, std::uint8_t red) {
  Picture out{width, height, {}};
  for (std::uint32_t i = 0; i < width * height; ++i) out.rgb.insert(out.rgb.end(), {red, 100, 200});
  return out;
}

std::string ppm(const Picture& picture) {
  return "P6\n# comment\n" + std::to_string(picture.width) + " " + std::to_string(picture.height) + "\n255\n" +
         std::string(picture.rgb.begin(), picture.rgb.end());
}

std::string png(const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = picture.width;
  image.height = picture.height;
  image.format = PNG_FORMAT_RGB;
  png_alloc_size_t size = 0;
  EXPECT_NE(png_image_write_to_memory(&image, nullptr, &size, 0, picture.rgb.data(), 0, nullptr), 0);
  std::string out(size, '\0');
  EXPECT_NE(png_image_write_to_memory(&image, out.data(), &size, 0, picture.rgb.data(), 0, nullptr), 0);
  out.resize(size);
  return out;
}

Result<Picture> decode(const std::string& bytes) { return decode_picture(std::as_bytes(std::span(bytes)), "test"); }

void put(const std::filesystem::path& path, const std::string& bytes) { ASSERT_TRUE(write_file_atomic(path, bytes)); }

TEST(Pictures, EveryFormatIsRead) {
  const Picture picture = plain(7, 5, 30);
  for (const std::string& bytes : {ppm(picture), png(picture)}) {
    const auto read = decode(bytes);
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(read->width, 7U);
    EXPECT_EQ(read->height, 5U);
    EXPECT_EQ(read->rgb, picture.rgb);
  }
  const auto jpeg = to_jpeg(picture, 100);
  ASSERT_TRUE(jpeg);
  const auto read = decode(std::string(jpeg->begin(), jpeg->end()));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_NEAR(read->rgb[0], 30, 4);
  const auto gray = decode(std::string("P5 2 1 255\n") + "\x05\x09");
  ASSERT_TRUE(gray);
  EXPECT_EQ(gray->rgb, (std::vector<std::uint8_t>{5, 5, 5, 9, 9, 9}));
}

TEST(Pictures, WhatIsNoneIsRefusedWithTheCause) {
  EXPECT_EQ(decode("GIF89a").error().code, Errc::unsupported);
  EXPECT_EQ(decode("P6 2 2 65535\n").error().code, Errc::unsupported);
  EXPECT_EQ(decode("P6 2 2 255\nabc").error().code, Errc::malformed);
  EXPECT_EQ(decode("P6 0 2 255\n").error().code, Errc::malformed);
  EXPECT_EQ(decode("P6 x").error().code, Errc::malformed);
  EXPECT_EQ(decode("P5 4000000000 4000000000 255\n").error().code, Errc::limit);
  EXPECT_EQ(decode("\xFF\xD8\xFF").error().code, Errc::malformed);
  EXPECT_EQ(decode(png(plain(9, 9, 1)).substr(0, 60)).error().code, Errc::malformed);
  EXPECT_FALSE(is_picture_name("a.gif"));
  EXPECT_TRUE(is_picture_name("a.JPeG"));
}

RC_GTEST_PROP(Pictures, AnyBytesAreAPictureOrAnError, ()) {
  auto bytes = *rc::gen::arbitrary<std::string>();
  bytes.insert(0, *rc::gen::element<std::string>("\xFF\xD8", "\x89PNG", "P5 ", "P6 3 1 255\n", ""));
  const auto read = decode(bytes);
  if (read) RC_ASSERT(read->rgb.size() == std::size_t{read->width} * read->height * 3);
}

RC_GTEST_PROP(Pictures, FittingKeepsAPlainColour, ()) {
  const auto size = [] { return *rc::gen::inRange<std::uint32_t>(1, 60); };
  const Picture picture = plain(size(), size(), 77);
  const std::uint32_t width = size();
  const std::uint32_t height = size();
  RC_ASSERT(fit_picture(picture, width, height).rgb == plain(width, height, 77).rgb);
}

TEST(Pictures, TheMiddleIsKept) {
  Picture wide = plain(30, 10, 0);
  for (std::size_t y = 0; y < 10; ++y) {
    for (std::size_t x = 10; x < 20; ++x) wide.rgb[(y * 30 + x) * 3] = 200;
  }
  EXPECT_EQ(fit_picture(wide, 5, 5).rgb, plain(5, 5, 200).rgb);
  EXPECT_EQ(to_grayscale(plain(1, 1, 255)), (std::vector<std::uint8_t>{158}));  // 0.299 r + 0.587 g + 0.114 b
}

TEST(CameraSynth, SameSeedSamePictures) {
  for (const std::string_view pattern : camera_patterns()) {
    CameraSynth one(std::string(pattern), 5);
    CameraSynth other(std::string(pattern), 5);
    for (int i = 0; i < 3; ++i) {
      const auto picture = one.next("", 96, 64);
      ASSERT_TRUE(picture);
      EXPECT_EQ(picture->rgb, other.next("", 96, 64)->rgb) << pattern;
      EXPECT_EQ(picture->rgb.size(), 96U * 64 * 3);
    }
  }
  CameraSynth automatic("auto", 1);
  static_cast<void>(automatic.next("bars", 8, 8));
  EXPECT_EQ(automatic.description(), "synth:bars");
  const auto before = automatic.next("anything", 96, 96);
  EXPECT_EQ(automatic.description(), "synth:moving");
  EXPECT_NE(before->rgb, automatic.next("anything", 96, 96)->rgb);
  CameraSynth tiny("moving", 1);
  EXPECT_TRUE(tiny.next("", 1, 1));
}

TEST(CameraPlaylist, ShowsTheFilesOfTheLabelInTurn) {
  TempDir folder;
  std::filesystem::create_directories(folder.path() / "dog");
  put(folder.path() / "cat.1.ppm", ppm(plain(4, 4, 1)));
  put(folder.path() / "cat.2.png", png(plain(4, 4, 2)));
  put(folder.path() / "dog/x.ppm", ppm(plain(4, 4, 3)));
  put(folder.path() / "cat.3.jpg", "broken");
  put(folder.path() / "notes.txt", "no picture");
  std::vector<std::string> complaints;
  auto source = make_camera_source("replay:" + folder.path().string(), 0,
                                   [&complaints](const Error& error) { complaints.push_back(error.message()); });
  ASSERT_TRUE(source) << source.error().message();
  const auto red = [&source](std::string_view label) { return static_cast<int>((*source)->next(label, 4, 4)->rgb[0]); };
  EXPECT_EQ(red("cat"), 1);
  EXPECT_EQ(red("cat"), 2);
  EXPECT_EQ(red("cat"), 1) << "the broken one is left out";
  EXPECT_EQ(complaints.size(), 1U);
  EXPECT_EQ(red("dog"), 3);
  EXPECT_EQ(red("cow"), 1);
  EXPECT_EQ(red("cow"), 2);
  EXPECT_EQ(red("cow"), 3);
  EXPECT_THAT((*source)->description(), HasSubstr("x.ppm"));
}

TEST(CameraPlaylist, AWrongPathIsToldAtOnce) {
  TempDir folder;
  EXPECT_EQ(make_camera_source("replay:" + (folder.path() / "none").string(), 0, {}).error().code, Errc::not_found);
  EXPECT_EQ(make_camera_source("replay:" + folder.path().string(), 0, {}).error().code, Errc::not_found);
  put(folder.path() / "a.jpg", "broken");
  EXPECT_FALSE(make_camera_source("replay:" + folder.path().string(), 0, {}));
  const auto wrong = make_camera_source("synth:opera", 0, {});
  EXPECT_EQ(wrong.error().code, Errc::usage);
  EXPECT_THAT(wrong.error().message(), HasSubstr("moving, bars"));
}

TEST(VirtualCamera, PicturesComeAtTheirPaceInTheFormAskedFor) {
  for (const CameraForm form : {CameraForm::rgb, CameraForm::grayscale, CameraForm::jpeg}) {
    ManualClock time;
    const BoardClock clock(time, 2);
    int shown = 0;
    VirtualCamera camera(form, std::make_unique<CameraSynth>("noise", 1), clock, {},
                         [&shown](const std::string&, const std::string&) { ++shown; });
    EXPECT_EQ(camera.info().depth == hal::ColourDepth::grayscale, form == CameraForm::grayscale);
    for (const hal::CameraResolution& resolution : camera.info().resolutions) {
      ASSERT_TRUE(camera.start(resolution));
      EXPECT_EQ(camera.state(), hal::Camera::State::busy);
      std::uint8_t byte = 0;
      EXPECT_FALSE(camera.read(0, {&byte, 1})) << "not ready";
      time.advance(34ms);  // Device time runs twice as fast.
      ASSERT_EQ(camera.state(), hal::Camera::State::ready);
      const std::uint32_t pixels = resolution.width * std::uint32_t{resolution.height};
      const std::uint32_t size = camera.frame_bytes();
      if (form == CameraForm::rgb) EXPECT_EQ(size, 3 * pixels);
      if (form == CameraForm::grayscale) EXPECT_EQ(size, pixels);
      if (form == CameraForm::jpeg) EXPECT_TRUE(size != pixels && size != 3 * pixels);
      EXPECT_TRUE(camera.read(size - 1, {&byte, 1}));
      EXPECT_FALSE(camera.read(size, {&byte, 1}));
    }
    EXPECT_EQ(shown, 1) << "the same source is told once";
    camera.stop();
    EXPECT_EQ(camera.state(), hal::Camera::State::idle);
  }
}

}  // namespace
}  // namespace tml::fw::native
