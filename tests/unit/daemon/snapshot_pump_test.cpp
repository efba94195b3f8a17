// SPDX-License-Identifier: Apache-2.0
#include "daemon/snapshot_pump.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>

#include "daemon/picture.hpp"

namespace tml::daemon {
namespace {

using namespace std::chrono_literals;

/// A pump whose encoder answers when it is told to, and whose connection is ready or not by a flag.
struct Bench {
  Bench() {
    SnapshotPump::World world;
    world.encode = [this](serial::SnapshotImage) -> Awaitable<Result<SnapshotPump::Jpeg>> {
      ++encoding;
      most_encoding = std::max(most_encoding, encoding);
      return encode();
    };
    world.ready = [this] { return ready; };
    world.send = [this](const SnapshotPump::Jpeg&) { sent.push_back(clock.steady()); };
    world.spawn = [this](Awaitable<void> task) { boost::asio::co_spawn(loop, std::move(task), boost::asio::detached); };
    pump = std::make_shared<SnapshotPump>(clock, std::move(world));
  }
  Awaitable<Result<SnapshotPump::Jpeg>> encode() {
    co_await encoder.wait();
    --encoding;
    if (broken) co_return fail(Errc::garbage, "no picture");
    co_return SnapshotPump::Jpeg(10);
  }
  void offer() { pump->offer({}); }
  void turn() {
    loop.restart();
    loop.poll();
  }

  boost::asio::io_context loop;
  ManualClock clock;
  Event encoder{loop.get_executor()};
  bool ready = true;
  bool broken = false;
  int encoding = 0;
  int most_encoding = 0;
  std::vector<std::chrono::nanoseconds> sent;
  std::shared_ptr<SnapshotPump> pump;
};

TEST(SnapshotPump, AtMostFivePerSecond) {
  Bench bench;
  bench.encoder.set();
  for (int i = 0; i < 300; ++i) {  // 30 per second for 10 s
    bench.offer();
    bench.turn();
    bench.clock.advance(33ms);
  }
  EXPECT_GE(bench.sent.size(), 40U);
  for (std::size_t i = 1; i < bench.sent.size(); ++i) EXPECT_GE(bench.sent[i] - bench.sent[i - 1], 200ms);
  const auto& counts = bench.pump->counts();
  EXPECT_EQ(counts.offered, 300U);
  EXPECT_EQ(counts.sent + counts.dropped, 300U);
}

TEST(SnapshotPump, DropsWhileOneIsEncoded) {
  Bench bench;
  for (int i = 0; i < 50; ++i) {
    bench.offer();
    bench.turn();
    bench.clock.advance(100ms);
  }
  EXPECT_EQ(bench.encoding, 1);
  EXPECT_EQ(bench.pump->counts().dropped, 49U);
  bench.encoder.set();
  bench.turn();
  EXPECT_EQ(bench.sent.size(), 1U);
  bench.clock.advance(1s);
  bench.offer();
  bench.turn();
  EXPECT_EQ(bench.sent.size(), 2U);
}

TEST(SnapshotPump, DropsWhileTheConnectionIsBusy) {
  Bench bench;
  bench.encoder.set();
  bench.ready = false;
  for (int i = 0; i < 10; ++i, bench.clock.advance(1s)) bench.offer();
  EXPECT_EQ(bench.pump->counts().dropped, 10U);
  EXPECT_EQ(bench.most_encoding, 0) << "work for nothing";
  bench.ready = true;
  bench.offer();
  bench.turn();
  EXPECT_EQ(bench.sent.size(), 1U);
}

TEST(SnapshotPump, ClosedWhileEncodingSendsNothing) {
  Bench bench;
  bench.offer();
  bench.turn();
  bench.pump->close();
  bench.encoder.set();
  bench.turn();
  EXPECT_TRUE(bench.sent.empty());
  EXPECT_EQ(bench.pump->counts().dropped, 1U);
  bench.offer();
  EXPECT_EQ(bench.pump->counts().dropped, 2U);
}

TEST(SnapshotPump, APictureThatIsNoneIsCounted) {
  Bench bench;
  bench.encoder.set();
  bench.broken = true;
  bench.offer();
  bench.turn();
  EXPECT_EQ(bench.pump->counts().damaged, 1U);
  bench.broken = false;
  bench.offer();
  bench.turn();
  EXPECT_EQ(bench.sent.size(), 1U) << "a damaged picture costs no waiting";
}

RC_GTEST_PROP(SnapshotPump, NeverTwoAtATimeAndEveryPictureIsAccountedFor, ()) {
  Bench bench;
  const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 5));
  for (const int step : steps) {
    if (step == 0) bench.offer();
    if (step == 1) bench.clock.advance(90ms);
    if (step == 2) bench.encoder.set();
    if (step == 3) bench.encoder.clear();
    if (step == 4) bench.ready = !bench.ready;
    bench.turn();
  }
  bench.encoder.set();
  bench.turn();
  const auto& counts = bench.pump->counts();
  RC_ASSERT(bench.most_encoding <= 1);
  RC_ASSERT(counts.offered == counts.sent + counts.dropped + counts.damaged);
  for (std::size_t i = 1; i < bench.sent.size(); ++i) RC_ASSERT(bench.sent[i] - bench.sent[i - 1] >= 200ms);
}

serial::DeviceInfo board_with_cameras() {
  serial::DeviceInfo info;
  info.snapshot.available = true;
  info.snapshot.resolutions = {{160, 120}, {96, 96}, {320, 240}};
  return info;
}

TEST(Picture, CamerasAreFoundByNameAndSize) {
  serial::DeviceInfo info = board_with_cameras();
  EXPECT_EQ(find_camera(info, "Camera (96x96)"), (serial::SnapshotSize{96, 96}));
  EXPECT_EQ(find_camera(info, "Camera (96x97)"), std::nullopt);
  EXPECT_EQ(find_camera(info, "Built-in microphone"), std::nullopt);
  EXPECT_EQ(find_camera(info, ""), (serial::SnapshotSize{96, 96})) << "a board that has nothing else";
  EXPECT_EQ(choose_camera(info, true), (serial::SnapshotSize{320, 240}));
  EXPECT_EQ(sensor_and_camera_names(info), "Camera (160x120), Camera (96x96), Camera (320x240)");
  info.sensors.push_back({"Built-in microphone", 60, {16000}});
  EXPECT_EQ(find_camera(info, ""), std::nullopt) << "the first sensor is meant";
  info.snapshot.available = false;
  EXPECT_EQ(find_camera(info, "Camera (96x96)"), std::nullopt);
  EXPECT_EQ(choose_camera(info, false), std::nullopt);
  EXPECT_EQ(sensor_and_camera_names(info), "Built-in microphone");
  EXPECT_EQ(sensor_and_camera_names({}), "none");
}

TEST(Picture, BecomesAJpegOrIsRefused) {
  serial::SnapshotImage image{{8, 8}, serial::SnapshotImage::Form::grayscale, std::vector<std::byte>(64)};
  auto jpeg = to_jpeg(image, 100);
  ASSERT_TRUE(jpeg) << jpeg.error().message();
  const serial::SnapshotImage ready{{8, 8}, serial::SnapshotImage::Form::jpeg, *jpeg};
  EXPECT_EQ(*to_jpeg(ready, 100), *jpeg) << "passed on as it is";
  serial::SnapshotImage cut = ready;
  cut.bytes.resize(cut.bytes.size() - 10);
  EXPECT_EQ(to_jpeg(cut, 100).error().code, Errc::garbage);
  EXPECT_EQ(picture_path(sample::Category::training), "/api/training/files");
  EXPECT_EQ(picture_path(sample::Category::testing), "/api/testing/files");
}

}  // namespace
}  // namespace tml::daemon
