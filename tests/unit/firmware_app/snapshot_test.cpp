// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// AT+SNAPSHOT and AT+SNAPSHOTSTREAM (wire reference 1.7, 1.8, 1.11), on a camera whose pixels are known.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <rapidcheck/gtest.h>

#include "tests/support/fw_fakes.hpp"

namespace tml::fw::test {
namespace {

/// Byte i of picture n is i * 7 + n.
class FakeCamera final : public hal::Camera {
 public:
  explicit FakeCamera(const FakeClock& clock) : clock_(clock) {}
  hal::ColourDepth depth = hal::ColourDepth::grayscale;
  std::uint64_t exposure_us = 20'000;
  bool refuses = false;
  bool fails = false;
  std::uint32_t breaks_at = UINT32_MAX;  ///< read() fails from this byte on.
  std::uint32_t size = 0;                ///< 0: by resolution and depth.
  unsigned pictures = 0;

  [[nodiscard]] const hal::CameraInfo& info() const override {
    static constexpr hal::CameraResolution kSizes[] = {{16, 12}, {96, 96}, {320, 240}};
    info_ = {kSizes, depth};
    return info_;
  }
  [[nodiscard]] bool start(hal::CameraResolution resolution) override {
    if (refuses) return false;
    ++pictures;
    bytes_ = size != 0 ? size : resolution.width * resolution.height * (depth == hal::ColourDepth::rgb ? 3U : 1U);
    ready_us_ = clock_.device_us() + exposure_us;
    running = true;
    return true;
  }
  [[nodiscard]] State state() override {
    if (!running) return State::idle;
    if (clock_.device_us() < ready_us_) return State::busy;
    return fails ? State::failed : State::ready;
  }
  [[nodiscard]] std::uint64_t ready_us() const override { return ready_us_; }
  [[nodiscard]] std::uint32_t frame_bytes() const override { return bytes_; }
  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override {
    EXPECT_TRUE(running);
    EXPECT_LE(offset + into.size(), bytes_);
    if (offset + into.size() > breaks_at) return false;
    for (std::size_t i = 0; i < into.size(); ++i) into[i] = byte(offset + i, pictures);
    return true;
  }
  void stop() override { running = false; }
  static std::uint8_t byte(std::size_t i, unsigned picture) { return static_cast<std::uint8_t>(i * 7 + picture); }

  bool running = false;

 private:
  const FakeClock& clock_;
  mutable hal::CameraInfo info_;
  std::uint32_t bytes_ = 0;
  std::uint64_t ready_us_ = 0;
};

class Snapshots : public ::testing::Test {
 protected:
  void SetUp() override {
    rig.camera = &camera;
    rig.boot();
  }
  static std::string decoded(std::string_view text) {
    std::string bytes(text.size() / 4 * 3, '\0');
    const int size =
        EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    EXPECT_GE(size, 0);
    const auto padding = static_cast<std::size_t>(std::count(text.begin(), text.end(), '='));
    bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size) - padding);
    return bytes;
  }
  static std::string picture(std::size_t size, unsigned number) {
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(FakeCamera::byte(i, number));
    return bytes;
  }
  static std::vector<std::string> lines(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find("\r\n"), text.size());
      out.emplace_back(text.substr(0, end));
      text.remove_prefix(std::min(end + 2, text.size()));
    }
    return out;
  }
  std::string sent_at(std::uint32_t baud) const {
    std::string text;
    for (const auto& write : rig.uart.writes) text += write.baud == baud ? write.bytes : "";
    return text;
  }
  Rig rig;
  FakeCamera camera{rig.clock};
};

TEST_F(Snapshots, ConfigurationTellsTheCamera) {
  EXPECT_EQ(
      host_result(rig.command("AT+SNAPSHOT?")),
      "Has snapshot: 1\r\nSupports stream: 1\r\nColor depth: Grayscale\r\nResolutions: [ 16x12, 96x96, 320x240 ]");
  camera.depth = hal::ColourDepth::rgb;
  EXPECT_NE(rig.command("AT+CONFIG?")
                .find("===== Snapshot ======\r\nHas snapshot: 1\r\nSupports stream: 1\r\n"
                      "Color depth: RGB\r\n"),
            std::string::npos);
}

TEST_F(Snapshots, WithoutCameraThereIsNone) {
  rig.camera = nullptr;
  rig.boot();
  EXPECT_EQ(host_result(rig.command("AT+SNAPSHOT?")), "Has snapshot: 0");
  EXPECT_EQ(host_result(rig.command("AT+SNAPSHOT=96,96")), "ERR: no camera");
  EXPECT_EQ(host_result(rig.command("AT+SNAPSHOTSTREAM=96,96,n")), "ERR: no camera");
}

TEST_F(Snapshots, OnePictureIsOneLineThenOk) {
  for (const char* const command : {"AT+SNAPSHOT=96,96", "AT+SNAPSHOT=96,96,n"}) {
    const auto answer = lines(rig.command(command));
    ASSERT_EQ(answer.size(), 4U) << command;
    EXPECT_EQ(decoded(answer[1]), picture(96 * 96, camera.pictures));
    EXPECT_EQ(answer[2], "OK");
    EXPECT_EQ(answer[3], "> ");
    EXPECT_FALSE(camera.running);
  }
  EXPECT_TRUE(rig.uart.baud_changes.empty());
}

TEST_F(Snapshots, AtTheTransferRateBetweenTwoOk) {
  rig.system.about.transfer_baud = 921600;
  camera.depth = hal::ColourDepth::rgb;
  const std::string answer = rig.command("AT+SNAPSHOT=16,12,y");
  ASSERT_EQ(rig.uart.baud_changes.size(), 2U);
  EXPECT_EQ(rig.uart.baud_changes[0].second, 921600U);
  EXPECT_EQ(rig.uart.baud_changes[1].second, 115200U);
  EXPECT_NE(sent_at(115200).find("\r\nOK\r\n"), std::string::npos);
  const auto fast = lines(sent_at(921600));
  ASSERT_EQ(fast.size(), 2U);
  EXPECT_EQ(decoded(fast[0]), picture(16 * 12 * 3, 1));
  EXPECT_EQ(fast[1], "OK");
  EXPECT_TRUE(answer.ends_with("\r\n\r\n> "));
}

TEST_F(Snapshots, RefusesOtherResolutions) {
  EXPECT_EQ(host_result(rig.command("AT+SNAPSHOT=96,95")), "ERR: Invalid resolution 96x95");
  EXPECT_EQ(host_result(rig.command("AT+SNAPSHOT=12,16,y")), "ERR: Invalid resolution 12x16");
  EXPECT_EQ(host_result(rig.command("AT+SNAPSHOTSTREAM=-1,big,n")), "ERR: Invalid resolution -1xbig");
  EXPECT_EQ(host_result(rig.command("AT+SNAPSHOT=96,96,x")), "ERR: the last argument must be y or n");
  EXPECT_EQ(camera.pictures, 0U);
}

TEST_F(Snapshots, ACameraThatFailsSaysSo) {
  camera.refuses = true;
  EXPECT_EQ(host_result(rig.command("AT+SNAPSHOT=96,96,n")), "ERR: Snapshot failed\r\nOK");
  EXPECT_EQ(host_result(rig.command("AT+SNAPSHOTSTREAM=96,96,n")),
            "Starting snapshot stream...\r\nERR: Snapshot Stream failed\r\nOK");
  camera.refuses = false;
  camera.fails = true;
  EXPECT_EQ(host_result(rig.command("AT+SNAPSHOT=96,96,n")), "ERR: Snapshot failed\r\nOK");
  camera.fails = false;
  camera.breaks_at = 1000;
  const auto cut = lines(rig.command("AT+SNAPSHOT=96,96,n"));
  ASSERT_EQ(cut.size(), 5U);
  EXPECT_EQ(cut[2], "ERR: Snapshot failed");
  // Nothing of the broken picture gets into the next one.
  camera.breaks_at = UINT32_MAX;
  EXPECT_EQ(decoded(lines(rig.command("AT+SNAPSHOT=16,12"))[1]), picture(16 * 12, camera.pictures));
}

TEST_F(Snapshots, FailureAtTheTransferRateComesAtThatRate) {
  rig.system.about.transfer_baud = 921600;
  camera.refuses = true;
  rig.command("AT+SNAPSHOT=96,96,y");
  EXPECT_EQ(sent_at(921600), "ERR: Snapshot failed\r\nOK\r\n");
  EXPECT_EQ(rig.uart.baud, 115200U);
}

TEST_F(Snapshots, StreamRunsUntilB) {
  for (const bool fast : {false, true}) {
    rig.system.about.transfer_baud = fast ? 921600 : 115200;
    rig.boot();
    camera.pictures = 0;
    rig.uart.sent.clear();
    rig.uart.writes.clear();
    rig.uart.feed(std::string("AT+SNAPSHOTSTREAM=96,96,") + (fast ? "y\r" : "n\r"));
    for (int i = 0; i < 400'000 && camera.pictures < 4; ++i) rig.step();
    rig.uart.feed("b\r");
    ASSERT_TRUE(rig.run_until_prompt());
    EXPECT_EQ(rig.uart.baud, 115200U);
    const auto got = lines(fast ? sent_at(921600) : rig.uart.sent);
    const std::size_t head = fast ? 0 : 1;
    ASSERT_GE(got.size(), head + 6);
    EXPECT_EQ(got[head], "Starting snapshot stream...");
    for (unsigned n = 1; n <= 3; ++n) EXPECT_EQ(decoded(got[head + n]), picture(96 * 96, n));
    const auto stopped = std::find(got.begin(), got.end(), "Snapshot streaming stopped by user");
    ASSERT_NE(stopped, got.end());
    EXPECT_EQ(*(stopped + 1), "OK");
    EXPECT_FALSE(camera.running);
    EXPECT_NE(host_result(rig.command("AT+DEVICEID?")), "");
  }
}

TEST_F(Snapshots, PicturesComeAtTheCamerasPace) {
  camera.exposure_us = 200'000;
  rig.uart.feed("AT+SNAPSHOTSTREAM=16,12,n\r");
  ASSERT_TRUE(rig.run_until_sent("Starting"));
  const std::uint64_t begin_us = rig.clock.now_us;
  for (int i = 0; i < 400'000 && camera.pictures < 6; ++i) rig.step();
  EXPECT_GE(rig.clock.now_us - begin_us, 5U * 200'000U);
  EXPECT_LT(rig.clock.now_us - begin_us, 6U * 200'000U);
}

TEST_F(Snapshots, BStopsASinglePictureToo) {
  rig.uart.feed("AT+SNAPSHOT=320,240,n\r");
  for (int i = 0; i < 2000 && rig.uart.sent.size() < 5000; ++i) rig.step();
  rig.uart.feed("b\r");
  ASSERT_TRUE(rig.run_until_prompt());
  EXPECT_TRUE(rig.uart.sent.ends_with("\r\nERR: Snapshot stopped\r\nOK\r\n> "));
}

TEST_F(Snapshots, APortThatHandsOnAtOnceNeverStalls) {
  // Such a port reports progress only while its reader lags: App::poll() must not wait for what has happened already.
  rig.uart.hands_on_at_once = true;
  for (std::size_t capacity : {64U, 100U, 256U, 4096U}) {
    rig.uart.capacity = capacity;
    rig.uart.in_flight = 0;
    for (const char* const command : {"AT+SNAPSHOT=320,240,n", "AT+CONFIG?", "AT+HELP"}) {
      rig.uart.sent.clear();
      rig.uart.writes.clear();
      rig.uart.feed(std::string(command) + "\r");
      for (int i = 0; i < 400'000 && !rig.uart.sent.ends_with("\r\n> "); ++i) {
        const app::Wake wake = rig.app->poll();
        if (wake.delay_us != app::Wake::kNever) {
          rig.clock.now_us += wake.delay_us;
          continue;
        }
        if (rig.uart.in_flight == 0) break;
        rig.uart.in_flight = 0;
      }
      EXPECT_TRUE(rig.uart.sent.ends_with("\r\n> ")) << command << " stalls with room for " << capacity;
    }
  }
}

TEST_F(Snapshots, TheEndFitsBehindALastPieceThatIsFull) {
  // A transmitter that takes a byte at a time: the last piece goes out at the first moment at which it fits.
  rig.uart.capacity = 1;
  camera.size = 513 * 9;
  rig.uart.feed("AT+SNAPSHOT=96,96,n\r");
  for (int i = 0; i < 40'000 && !rig.uart.sent.ends_with("OK\r\n> "); ++i) rig.step();
  EXPECT_TRUE(rig.uart.sent.ends_with("\r\nOK\r\n> "));
  EXPECT_EQ(rig.app->services().out.dropped_bytes(), 0U);
}

TEST_F(Snapshots, ACameraMayDeliverAJpeg) {
  camera.size = 1234;
  EXPECT_EQ(decoded(lines(rig.command("AT+SNAPSHOT=96,96"))[1]), picture(1234, 1));
}

RC_GTEST_FIXTURE_PROP(Snapshots, AnySizeComesWhole, ()) {
  camera.size = static_cast<std::uint32_t>(*rc::gen::inRange(1, 3000));
  rig.camera = &camera;
  rig.boot();
  RC_ASSERT(decoded(lines(rig.command("AT+SNAPSHOT=96,96"))[1]) == picture(camera.size, camera.pictures));
}

}  // namespace
}  // namespace tml::fw::test
