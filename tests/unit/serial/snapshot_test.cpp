// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Snapshots and their stream, against a board in virtual time; and the reading of what other boards may answer.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "common/serial/at_session.hpp"
#include "common/serial/snapshot_reply.hpp"
#include "common/wire/bytes.hpp"
#include "tests/unit/serial/fake_board.hpp"

namespace tml::serial {
namespace {

using testing::FakeBoard;
using testing::run;
using namespace std::chrono_literals;

constexpr SnapshotSize kSize{96, 96};
using Form = SnapshotImage::Form;

FakeBoard::Config fast(std::uint32_t baud = 921'600) {
  FakeBoard::Config config;
  config.fast_baud = baud;
  return config;
}

struct Bench {
  explicit Bench(FakeBoard::Config config = {}, AtOptions options = {})
      : board(std::move(config)), session(board, options) {
    for (std::size_t i = 0; i < board.picture.size(); ++i) board.picture[i] = static_cast<char>(i * 31);
  }
  void meet() {
    ASSERT_TRUE(run(session.connect()));
    ASSERT_TRUE(run(session.config()));
  }
  std::string text(const SnapshotImage& image) const { return std::string(wire::as_text(image.bytes)); }
  FakeBoard board;
  AtSession session;
};

TEST(Snapshot, RawPixelsAndJpegAreToldByLength) {
  Bench bench;
  bench.meet();
  auto image = run(bench.session.snapshot(kSize));
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->form, Form::grayscale);
  EXPECT_EQ(bench.text(*image), bench.board.picture);
  EXPECT_EQ(bench.board.executed.back(), "AT+SNAPSHOT=96,96,n");

  bench.board.picture.resize(3 * 96 * 96, 'p');
  image = run(bench.session.snapshot(kSize));
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->form, Form::rgb);

  bench.board.picture = "\xFF\xD8" + std::string(500, 'j');
  image = run(bench.session.snapshot(kSize));
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->form, Form::jpeg);
  EXPECT_EQ(image->bytes.size(), 502U);

  bench.board.picture = std::string(500, 'j');
  image = run(bench.session.snapshot(kSize));
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code, Errc::garbage);
}

TEST(Snapshot, AtTheTransferRate) {
  Bench bench(fast());
  bench.meet();
  for (int i = 0; i < 3; ++i) {
    const auto image = run(bench.session.snapshot(kSize));
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(bench.text(*image), bench.board.picture);
  }
  EXPECT_EQ(bench.board.executed.back(), "AT+SNAPSHOT=96,96,y");
  EXPECT_EQ(bench.board.bauds, (std::vector<std::uint32_t>{921'600, 115'200, 921'600, 115'200, 921'600, 115'200}));
  EXPECT_EQ(bench.session.stats().resyncs, 1U);
}

TEST(Snapshot, AtVersion14SwitchesWithoutBeingTold) {
  for (const char* const version : {"1.4.0", "1.5.2"}) {
    FakeBoard::Config config = fast();
    config.at_version = version;
    config.implicit_fast = true;
    Bench bench(config);
    bench.meet();
    const auto image = run(bench.session.snapshot(kSize));
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(bench.board.executed.back(), "AT+SNAPSHOT=96,96");
    EXPECT_EQ(bench.board.bauds, (std::vector<std::uint32_t>{921'600, 115'200}));
    // Its stream stays at the base rate, and takes no argument.
    const auto on_frame = [](const SnapshotImage&) { return false; };
    ASSERT_TRUE(run(bench.session.snapshot_stream(kSize, on_frame)));
    EXPECT_NE(std::find(bench.board.executed.begin(), bench.board.executed.end(), "AT+SNAPSHOTSTREAM=96,96"),
              bench.board.executed.end());
    EXPECT_EQ(bench.board.bauds.size(), 2U);
  }
}

TEST(Snapshot, ADamagedPictureIsTakenAgain) {
  Bench bench(fast());
  bench.meet();
  int damaged = 2;
  bench.board.mangle_payload = [&damaged](std::string text) {
    if (damaged-- > 0) text.erase(100, 1);
    return text;
  };
  const auto image = run(bench.session.snapshot(kSize));
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(bench.text(*image), bench.board.picture);
  EXPECT_EQ(bench.board.executed.back(), "AT+SNAPSHOT=96,96,n") << "after two failures at the faster rate";
}

TEST(Snapshot, ALostOkCostsAnAttemptNotThePicture) {
  for (const bool first : {true, false}) {
    Bench bench(fast());
    bench.meet();
    (first ? bench.board.lost_first_oks : bench.board.lost_last_oks) = 1;
    const auto before = bench.board.clock().steady();
    const auto image = run(bench.session.snapshot(kSize));
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_EQ(bench.text(*image), bench.board.picture);
    EXPECT_LT(bench.board.clock().steady() - before, 30s);
    EXPECT_EQ(bench.board.baud(), 115'200U);
    ASSERT_TRUE(run(bench.session.config()));
  }
}

TEST(Snapshot, RefusalsKeepTheBoardsWords) {
  Bench bench(fast());
  bench.meet();
  bench.board.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line.starts_with("AT+SNAPSHOT")) return "ERR: Invalid resolution 96x96\r\n> ";
    return std::nullopt;
  };
  auto image = run(bench.session.snapshot(kSize));
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code, Errc::refused) << image.error().message();
  EXPECT_NE(image.error().what.find("Invalid resolution 96x96"), std::string::npos);
  const auto streamed = run(bench.session.snapshot_stream(kSize, [](const SnapshotImage&) { return true; }));
  ASSERT_FALSE(streamed);
  EXPECT_EQ(streamed.error().code, Errc::refused) << streamed.error().message();
  EXPECT_EQ(run(bench.session.snapshot({0, 4})).error().code, Errc::usage);
  EXPECT_EQ(run(bench.session.snapshot({100'000, 100'000})).error().code, Errc::limit);
}

TEST(SnapshotStream, FramesComeWholeAtBothRatesAndItStops) {
  for (const std::uint32_t baud : {0U, 921'600U}) {
    Bench bench(fast(baud));
    bench.meet();
    std::vector<std::string> frames;
    const auto on_frame = [&](const SnapshotImage& image) {
      frames.push_back(bench.text(image));
      return frames.size() < 5;
    };
    const auto streamed = run(bench.session.snapshot_stream(kSize, on_frame));
    ASSERT_TRUE(streamed) << streamed.error().message();
    ASSERT_EQ(frames.size(), 5U);
    for (const std::string& frame : frames) EXPECT_EQ(frame, bench.board.picture);
    EXPECT_EQ(streamed->damaged, 0U);
    EXPECT_EQ(bench.board.baud(), 115'200U);
    // The line is in step: the next command needs no waking.
    const auto resyncs = bench.session.stats().resyncs;
    ASSERT_TRUE(run(bench.session.config()));
    EXPECT_EQ(bench.session.stats().resyncs, resyncs);
  }
}

TEST(SnapshotStream, DamagedFramesAreCountedAndLeftOut) {
  Bench bench(fast());
  bench.meet();
  const std::string good = FakeBoard::base64(bench.board.picture);
  bench.board.stream_line = [&good](unsigned number) {
    if (number % 3 == 1) return good.substr(0, good.size() - 5);
    if (number % 3 == 2) return std::string("OK");
    return number == 6 ? good + good + good + good + good : good;
  };
  int frames = 0;
  const auto streamed = run(bench.session.snapshot_stream(kSize, [&](const SnapshotImage&) { return ++frames < 4; }));
  ASSERT_TRUE(streamed) << streamed.error().message();
  EXPECT_EQ(frames, 4);
  EXPECT_GE(streamed->damaged, 3U);
}

TEST(SnapshotStream, AnErrorEndsIt) {
  for (const std::uint32_t baud : {0U, 921'600U}) {
    Bench bench(fast(baud));
    bench.meet();
    bench.board.stream_line = [](unsigned number) {
      return number == 0 ? std::string("ERR: Snapshot Stream failed") : std::string();
    };
    const auto streamed = run(bench.session.snapshot_stream(kSize, [](const SnapshotImage&) { return true; }));
    ASSERT_FALSE(streamed);
    // At the base rate the prompt never comes from this board: either way the call ends.
    EXPECT_TRUE(streamed.error().code == Errc::refused || streamed.error().code == Errc::timeout)
        << streamed.error().message();
    ASSERT_TRUE(run(bench.session.config()));
  }
}

TEST(SnapshotStream, SilenceEndsItAndTheBoardIsWokenUp) {
  FakeBoard::Config config = fast();
  config.stream_pictures = 2;
  Bench bench(config);
  bench.meet();
  int frames = 0;
  const auto streamed = run(bench.session.snapshot_stream(kSize, [&](const SnapshotImage&) { return ++frames > 0; }));
  ASSERT_FALSE(streamed);
  EXPECT_EQ(streamed.error().code, Errc::timeout);
  EXPECT_EQ(frames, 2);
  EXPECT_EQ(bench.board.baud(), 115'200U);
  ASSERT_TRUE(run(bench.session.config()));
}

TEST(SnapshotStream, StopsBetweenTwoFramesWhenAsked) {
  FakeBoard::Config config = fast();
  config.picture_time = 2s;
  Bench bench(config);
  bench.meet();
  // From inside a frame's callback, as a timer would between two of them.
  const auto on_frame = [&](const SnapshotImage&) {
    bench.session.stop_snapshot_stream();
    return true;
  };
  const auto streamed = run(bench.session.snapshot_stream(kSize, on_frame));
  ASSERT_TRUE(streamed) << streamed.error().message();
  EXPECT_EQ(streamed->frames, 1U);
  bench.session.stop_snapshot_stream();
  ASSERT_TRUE(run(bench.session.config()));
}

TEST(SnapshotReply, TakesTheLastLineThatIsNoOk) {
  const SnapshotSize size{2, 2};
  const std::string good = FakeBoard::base64("wxyz");
  for (const std::string& body : {good, good + "\r\nOK\r\n", "Taking photo...\r\n" + good + "\nok\n\nokok \n",
                                  "OK\r\n" + good + "\r\n\r\nOKOK\r\n", "\r\n" + good + "\rOk\r"}) {
    const auto image = parse_snapshot_reply(body, size);
    ASSERT_TRUE(image) << body << image.error().message();
    EXPECT_EQ(wire::as_text(image->bytes), "wxyz");
  }
  for (const char* const body : {"", "OK", "OK\r\nOK\r\n", "d3h5eg", "d3h5eg=", "d3h5egAA"}) {
    EXPECT_EQ(parse_snapshot_reply(body, size).error().code, Errc::garbage) << body;
  }
  EXPECT_EQ(parse_snapshot_reply("Failed to take a picture\r\nd3h5eg==\r\nOK", size).error().code, Errc::refused);
}

TEST(SnapshotReply, LinesOfAStream) {
  EXPECT_EQ(classify_stream_line(std::string(100, 'A')), StreamLine::frame);
  EXPECT_EQ(classify_stream_line(std::string(99, 'A')), StreamLine::other);
  EXPECT_EQ(classify_stream_line("ERR: Snapshot Stream failed"), StreamLine::error);
  EXPECT_EQ(classify_stream_line("Starting snapshot stream..." + std::string(100, '.')), StreamLine::other);
  EXPECT_EQ(classify_stream_line("Image resolution: 96x96" + std::string(100, ' ') + "."), StreamLine::other);
  EXPECT_TRUE(is_ok_line(" okOK\r"));
  EXPECT_FALSE(is_ok_line("OKO"));
  EXPECT_FALSE(is_ok_line("OKOKOK"));
}

RC_GTEST_PROP(SnapshotReply, EveryRawPictureComesBack, ()) {
  const auto width = *rc::gen::inRange<std::uint32_t>(1, 40);
  const auto height = *rc::gen::inRange<std::uint32_t>(1, 40);
  const bool colour = *rc::gen::arbitrary<bool>();
  const auto bytes =
      *rc::gen::container<std::string>(std::size_t{width} * height * (colour ? 3 : 1), rc::gen::arbitrary<char>());
  const auto image = parse_snapshot_reply(FakeBoard::base64(bytes) + "\r\nOK\r\n", {width, height});
  RC_ASSERT(image.has_value());
  RC_ASSERT(image->form == (colour ? Form::rgb : Form::grayscale));
  RC_ASSERT(wire::as_text(image->bytes) == bytes);
}

RC_GTEST_PROP(Snapshot, NoiseNeverGivesAWrongLength, ()) {
  FakeBoard::Config config = fast(*rc::gen::element(0U, 921'600U));
  config.faults = {*rc::gen::inRange(0U, 200U), *rc::gen::inRange(0U, 200U), 0, *rc::gen::arbitrary<std::uint32_t>()};
  Bench bench(config);
  bench.board.picture.resize(400);
  const SnapshotSize size{20, 20};
  if (!run(bench.session.connect()) || !run(bench.session.config())) return;
  const auto image = run(bench.session.snapshot(size));
  if (image) RC_ASSERT(image->bytes.size() == 400U || image->form != Form::grayscale);
  RC_ASSERT(bench.board.baud() == 115'200U);
}

}  // namespace
}  // namespace tml::serial
