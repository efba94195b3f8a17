// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// An impulse on the camera's pictures, and the JPEG frames of its debug mode, decoded by libjpeg-turbo.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <turbojpeg.h>

#include <cmath>
#include <memory>

#include "common/wire/base64.hpp"
#include "firmware/app/jpeg.hpp"
#include "tests/support/fw_fakes.hpp"
#include "tests/support/package_builder.hpp"

namespace tml::fw::app {
namespace {

using test::host_result;
using test::PackageBuilder;
using test::Rig;
using testing::EndsWith;
using testing::HasSubstr;

constexpr hal::CameraResolution kSizes[] = {{8, 8}, {20, 12}};

class GradientCamera final : public hal::Camera {
 public:
  explicit GradientCamera(hal::ColourDepth depth) : info_{kSizes, depth} {}
  bool lost = false;
  std::uint32_t extra = 0;

  [[nodiscard]] const hal::CameraInfo& info() const override { return info_; }
  [[nodiscard]] bool start(hal::CameraResolution resolution) override {
    size_ = resolution;
    running = true;
    return true;
  }
  [[nodiscard]] State state() override { return running ? State::ready : State::idle; }
  [[nodiscard]] std::uint64_t ready_us() const override { return 0; }
  [[nodiscard]] std::uint32_t frame_bytes() const override { return size_.width * size_.height * channels() + extra; }
  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override {
    EXPECT_TRUE(running);
    EXPECT_LE(offset + into.size(), frame_bytes());
    for (std::uint8_t& byte : into) byte = value(offset++);
    return !lost;
  }
  void stop() override { running = false; }
  [[nodiscard]] std::uint32_t channels() const { return info_.depth == hal::ColourDepth::rgb ? 3 : 1; }
  [[nodiscard]] std::uint8_t value(std::uint32_t offset) const {
    const std::uint32_t pixel = offset / channels();
    const std::uint32_t channel = offset % channels();
    return static_cast<std::uint8_t>(30 + 6 * (pixel % size_.width) + 3 * (pixel / size_.width) + 20 * channel);
  }
  bool running = false;

 private:
  hal::CameraInfo info_;
  hal::CameraResolution size_ = kSizes[1];
};

/// Largest difference to the camera's picture after a round trip.
int round_trip(GradientCamera& camera, hal::CameraResolution size) {
  EXPECT_TRUE(camera.start(size));
  PictureJpeg encoder;
  encoder.begin(camera, size, camera.channels());
  std::vector<unsigned char> file;
  std::array<std::uint8_t, PictureJpeg::kPiece> piece{};
  while (const std::size_t count = encoder.next(piece)) file.insert(file.end(), piece.begin(), piece.begin() + count);
  EXPECT_FALSE(encoder.failed());
  const std::unique_ptr<void, int (*)(void*)> decoder(tjInitDecompress(), tjDestroy);
  std::vector<unsigned char> pixels(std::size_t{size.width} * size.height * camera.channels());
  const int format = camera.channels() == 3 ? TJPF_RGB : TJPF_GRAY;
  EXPECT_EQ(
      tjDecompress2(decoder.get(), file.data(), file.size(), pixels.data(), size.width, 0, size.height, format, 0), 0)
      << tjGetErrorStr2(decoder.get());
  int worst = 0;
  for (std::uint32_t i = 0; i < pixels.size(); ++i) worst = std::max(worst, std::abs(pixels[i] - camera.value(i)));
  return worst;
}

TEST(PictureJpeg, IsReadByAnotherDecoder) {
  GradientCamera grey(hal::ColourDepth::grayscale);
  EXPECT_LE(round_trip(grey, kSizes[0]), 6);
  EXPECT_LE(round_trip(grey, kSizes[1]), 8) << "sides that are no multiple of eight";
  GradientCamera colour(hal::ColourDepth::rgb);
  EXPECT_LE(round_trip(colour, kSizes[0]), 12);
  EXPECT_LE(round_trip(colour, kSizes[1]), 14);
}

class CameraImpulse : public testing::Test {
 protected:
  Rig rig{32, 2};
  GradientCamera camera{hal::ColourDepth::rgb};

  void boot() {
    PackageBuilder package("pixels");
    dsp::BlockConfig block = dsp::defaults(dsp::BlockType::image);
    block.image_width = 8;
    block.image_height = 8;
    block.image_channels = 1;
    block.scale = 1;
    package.identity(64, 2.0F, 0);
    package.head.image_width = 8;
    package.head.image_height = 8;
    package.head.image_channels = 1;
    package.head.features = 64;
    package.blocks = {block};
    for (int i = 0; i < 64; ++i) package.labels.push_back("p" + std::to_string(i));
    rig.load(0, package.build());
    rig.camera = &camera;
    rig.boot();
  }
  std::string run(const std::string& command, const std::string& until) {
    rig.uart.sent.clear();
    rig.uart.feed(command + "\r");
    EXPECT_TRUE(rig.run_until_sent(until)) << rig.uart.sent;
    rig.uart.feed("b\r");
    EXPECT_TRUE(rig.run_until_prompt());
    return rig.uart.sent;
  }
};

TEST_F(CameraImpulse, ClassifiesPictures) {
  boot();
  const std::string sent = run("AT+RUNIMPULSE", "p63: ");
  EXPECT_THAT(sent, HasSubstr("Inferencing settings:\r\n\tImage resolution: 8x8\r\n\tFrame size: 64\r\n"
                              "\tNo. of classes: 64\r\nStarting inferencing, press 'b' to break\r\n"
                              "Starting inferencing in 2 seconds...\r\nTaking photo...\r\nTiming:"));
  EXPECT_THAT(sent, EndsWith("Inferencing stopped by user\r\n> "));
  EXPECT_FALSE(camera.running);
  EXPECT_EQ(host_result(rig.command("AT+RUNIMPULSECONT")),
            "Error no continuous classification available for current model");
}

TEST_F(CameraImpulse, DebugFramesAreAsTheBrowserViewWantsThem) {
  boot();
  const std::string sent = run("AT+RUNIMPULSEDEBUG", "End output\r\n");
  const std::size_t begin = sent.find("Begin output\r\nFramebuffer: ");
  ASSERT_NE(begin, std::string::npos);
  const std::size_t first = begin + 27;
  const std::string text = sent.substr(first, sent.find("\r\n", first) - first);
  std::vector<std::byte> jpeg(wire::base64_max_decoded_size(text.size()));
  const auto size = wire::base64_decode(text, jpeg);
  ASSERT_TRUE(size);
  ASSERT_GT(*size, 200U);
  EXPECT_EQ(jpeg[0], std::byte{0xFF});
  EXPECT_EQ(jpeg[1], std::byte{0xD8});
  EXPECT_EQ(jpeg[*size - 2], std::byte{0xFF});
  EXPECT_EQ(jpeg[*size - 1], std::byte{0xD9});
  EXPECT_THAT(sent, HasSubstr("\r\nTiming: DSP "));
  EXPECT_THAT(sent, HasSubstr("#Classification predictions:\r\n    p0: "));
}

TEST_F(CameraImpulse, WhatTheCameraCannotGiveIsTold) {
  boot();
  camera.extra = 1;
  EXPECT_THAT(host_result(rig.command("AT+RUNIMPULSE")),
              EndsWith("ERR: the camera gives JPEG, which this firmware does not decode"));
  rig.camera = nullptr;
  rig.boot();
  EXPECT_EQ(host_result(rig.command("AT+RUNIMPULSE")), "ERR: this board has no camera");
}

}  // namespace
}  // namespace tml::fw::app
