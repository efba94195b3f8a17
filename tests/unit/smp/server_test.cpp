// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Our bootloader's SMP server on a board in memory.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/wire/bytes.hpp"
#include "common/wire/cbor.hpp"
#include "firmware/boot/smp_server.hpp"
#include "tests/unit/smp/server_bench.hpp"

namespace tml::fw::boot {
namespace {

using flashtest::make_app;
using flashtest::noise;
namespace smp = wire::smp;

TEST(SmpServer, EchoParametersAndWhatItDoesNotKnow) {
  ServerBench board;
  const Answer echo = board.ask(smp::Op::write, 0, smp::kOsEcho, [](wire::CborWriter& w) {
    w.map(1);
    w.text("d");
    w.text("hello");
  });
  EXPECT_EQ(echo.header.op, smp::Op::write_reply);
  EXPECT_EQ(echo.fields.r, "hello");
  const Answer parameters = board.ask(smp::Op::read, 0, smp::kOsParameters);
  EXPECT_EQ(parameters.fields.buf_size, SmpServer::kPacketBytes);
  EXPECT_EQ(parameters.fields.buf_count, 3U);
  EXPECT_EQ(board.ask(smp::Op::read, 9, 0).fields.rc, 8U);
  EXPECT_EQ(board.ask(smp::Op::read, 1, 6).fields.rc, 8U);
}

TEST(SmpServer, Version1ClientsGetRcZero) {
  ServerBench board;
  board.version = 0;
  const Answer echo = board.ask(smp::Op::read, 0, smp::kOsEcho);
  EXPECT_EQ(echo.header.version, 0);
  EXPECT_EQ(echo.fields.rc, 0U);
}

TEST(SmpServer, UploadsTestsAndResets) {
  ServerBench board;
  board.run_one();
  const flashtest::Object object = make_app(noise(9000, 1), 0x01020003);
  const std::vector<std::byte> file = file_of(object);
  EXPECT_EQ(board.upload(file), std::nullopt);
  EXPECT_TRUE(board.bench.holds(1, object));
  EXPECT_TRUE(board.last.fields.match.value_or(false));
  const Answer state = board.ask(smp::Op::read, 1, smp::kImageState);
  EXPECT_NE(state.text().find("1.2.3"), std::string::npos);
  const Answer tested = board.ask(smp::Op::write, 1, smp::kImageState, [&](wire::CborWriter& w) {
    w.map(2);
    w.text("hash");
    w.bytes(std::as_bytes(std::span(object.manifest.payload_hash)));
    w.text("confirm");
    w.boolean(false);
  });
  EXPECT_FALSE(tested.fields.rc);
  EXPECT_EQ(board.installer.status().trial[0], 1);
  EXPECT_NE(board.ask(smp::Op::read, 1, smp::kImageState).text().find("pending"), std::string::npos);
  EXPECT_FALSE(board.server.wants_reset());
  static_cast<void>(board.ask(smp::Op::write, 0, smp::kOsReset));
  EXPECT_TRUE(board.server.wants_reset());
  EXPECT_TRUE(board.bench.flash.violations.empty());
}

TEST(SmpServer, TestOfAnUnknownHashIsRefused) {
  ServerBench board;
  const Answer answer = board.ask(smp::Op::write, 1, smp::kImageState, [](wire::CborWriter& w) {
    w.map(1);
    w.text("hash");
    w.bytes(std::array<std::byte, 32>{});
  });
  EXPECT_EQ(answer.fields.rc, 5U);
}

TEST(SmpServer, NothingIsErasedForAWrongSignature) {
  ServerBench board;
  flashtest::Object object = make_app(noise(9000, 1));
  object.manifest.version ^= 1;
  EXPECT_EQ(board.upload(file_of(object)), static_cast<std::uint64_t>(smp::Rc::access_denied));
  EXPECT_EQ(board.last.fields.rsn, wire::flash::name(wire::flash::Status::bad_signature));
  EXPECT_EQ(board.bench.flash.erases, 0U);
}

TEST(SmpServer, DamagedPayloadIsNotProgrammed) {
  ServerBench board;
  const flashtest::Object object = make_app(noise(9000, 1));
  std::vector<std::byte> file = file_of(object);
  file[file.size() - 5] ^= std::byte{1};
  EXPECT_EQ(board.upload(file), static_cast<std::uint64_t>(smp::Rc::corrupt));
  EXPECT_EQ(board.upload(file_of(object)), std::nullopt);
  EXPECT_TRUE(board.bench.holds(0, object));
}

TEST(SmpServer, TakesOnlySignedFiles) {
  ServerBench board;
  EXPECT_EQ(board.upload(std::vector<std::byte>(2000, std::byte{0x55})), static_cast<std::uint64_t>(smp::Rc::invalid));
  std::vector<std::byte> short_file = file_of(make_app(noise(9000, 1)));
  short_file.resize(700);
  EXPECT_EQ(board.upload(short_file), static_cast<std::uint64_t>(smp::Rc::invalid));
  short_file.resize(300);
  EXPECT_EQ(board.upload(short_file), static_cast<std::uint64_t>(smp::Rc::invalid));
  EXPECT_EQ(board.bench.flash.erases, 0U);
}

TEST(SmpServer, ResumesByOffsetAndBehindAReset) {
  const flashtest::Object object = make_app(noise(14000, 3));
  const std::vector<std::byte> file = file_of(object);
  ServerBench board;
  board.stop_at = 9500;
  EXPECT_EQ(board.upload(file), std::nullopt);
  // The same client again: the server knows the hash and the two chunks.
  board.stop_at.reset();
  board.bytes_sent = 0;
  EXPECT_EQ(board.upload(file), std::nullopt);
  EXPECT_LT(board.bytes_sent, 7000U);
  EXPECT_TRUE(board.bench.holds(0, object));

  ServerBench other;
  other.stop_at = 9500;
  EXPECT_EQ(other.upload(file), std::nullopt);
  ServerBench reborn(other.bench.flash.bytes);  // power off and on
  EXPECT_EQ(reborn.upload(file), std::nullopt);
  EXPECT_TRUE(reborn.bench.holds(0, object));
  EXPECT_LT(reborn.bytes_sent, 9000U);
  EXPECT_TRUE(reborn.bench.flash.violations.empty());
}

TEST(SmpServer, OfABundleTheObjectForTheFreeSlotIsTaken) {
  const flashtest::Object first = flashtest::make_object(wire::flash::ObjectClass::app, 0b01, noise(5000, 1));
  const flashtest::Object second = flashtest::make_object(wire::flash::ObjectClass::app, 0b10, noise(6000, 2));
  const std::vector<std::byte> file = bundle_of({&first, &second});
  ServerBench board;
  EXPECT_EQ(board.upload(file), std::nullopt);
  EXPECT_TRUE(board.bench.holds(0, first));
  ServerBench other;
  ASSERT_EQ(flashtest::install(other.installer, first, 0), wire::flash::Status::ok);
  ASSERT_EQ(flashtest::run(other.installer, other.installer.select({.slot = 0, .permanent = 1})).status,
            wire::flash::Status::ok);
  EXPECT_EQ(other.upload(file), std::nullopt);
  EXPECT_TRUE(other.bench.holds(1, second));
  EXPECT_LT(other.bytes_sent, file.size() - 4000);  // the first one was passed over
}

TEST(SmpServer, ConfirmsForGoodAndRefusesATrialThatNeverRan) {
  ServerBench board;
  board.run_one();
  const flashtest::Object object = make_app(noise(5000, 1));
  ASSERT_EQ(flashtest::install(board.installer, object, 1), wire::flash::Status::ok);
  ASSERT_EQ(flashtest::run(board.installer, board.installer.select({.slot = 1})).status, wire::flash::Status::ok);
  const Answer unproven = board.ask(smp::Op::write, 1, smp::kImageState, [](wire::CborWriter& w) {
    w.map(1);
    w.text("confirm");
    w.boolean(true);
  });
  EXPECT_EQ(unproven.fields.rc, static_cast<std::uint64_t>(smp::Rc::bad_state));
  // Nor is its slot free for another one.
  EXPECT_EQ(board.upload(file_of(make_app(noise(5000, 2)))), static_cast<std::uint64_t>(smp::Rc::bad_state));

  ServerBench other;
  other.run_one();
  ASSERT_EQ(flashtest::install(other.installer, object, 1), wire::flash::Status::ok);
  const Answer confirmed = other.ask(smp::Op::write, 1, smp::kImageState, [&](wire::CborWriter& w) {
    w.map(2);
    w.text("hash");
    w.bytes(std::as_bytes(std::span(object.manifest.payload_hash)));
    w.text("confirm");
    w.boolean(true);
  });
  EXPECT_FALSE(confirmed.fields.rc);
  EXPECT_EQ(other.installer.status().active[0], 1);
}

TEST(SmpServer, ADecisionThatTheLinkCutsShortIsNotMade) {
  ServerBench board;
  board.run_one();
  const flashtest::Object object = make_app(noise(3 * 4096, 1));
  ASSERT_EQ(flashtest::install(board.installer, object, 1), wire::flash::Status::ok);
  board.hear(board.request(smp::Op::write, 1, smp::kImageState, [&](wire::CborWriter& w) {
    w.map(2);
    w.text("hash");
    w.bytes(std::as_bytes(std::span(object.manifest.payload_hash)));
    w.text("confirm");
    w.boolean(true);
  }));
  ASSERT_TRUE(board.server.poll());
  ASSERT_TRUE(board.installer.working()) << "it is hashed first";
  board.installer.abort();
  std::vector<Answer> all = board.answers();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(wire::smp::parse_fields(all[0].body).value().rc, static_cast<std::uint64_t>(smp::Rc::bad_state));
  EXPECT_EQ(board.installer.status().active[0], 0);
  EXPECT_FALSE(board.ask(smp::Op::read, 1, smp::kImageState).fields.rc) << "and it serves on";
}

TEST(SmpServer, LinesInsideAFrameAreTheFrames) {
  ServerBench board;
  // A data frame whose payload holds a line end and the markers of SMP.
  const std::string frame(
      "\0\x0C\x12\x01\x02\n\x06\x09"
      "ABAK\n\x05\0",
      15);
  for (const char c : frame) EXPECT_FALSE(board.server.receive(static_cast<std::uint8_t>(c)));
  EXPECT_EQ(board.ask(smp::Op::read, 0, smp::kOsParameters).fields.buf_size, SmpServer::kPacketBytes);
  // A frame that was cut off ends with a pause.
  for (const char c : std::string("\0\x0C\x12\x01", 4))
    EXPECT_FALSE(board.server.receive(static_cast<std::uint8_t>(c)));
  board.bench.clock.now_us += 200'000;
  EXPECT_EQ(board.ask(smp::Op::read, 0, smp::kOsParameters).fields.buf_size, SmpServer::kPacketBytes);
}

TEST(SmpServer, TwoRequestsWaitAndAThirdIsDropped) {
  ServerBench board;
  const auto request = [&] { return board.request(smp::Op::read, 0, smp::kOsParameters, {}); };
  for (int i = 0; i < 3; ++i) board.hear(request());
  int replies = 0;
  for (const Answer& answer : board.answers()) replies += answer.fields.buf_size ? 1 : 0;
  EXPECT_EQ(replies, 2);
  EXPECT_TRUE(board.ask(smp::Op::read, 0, smp::kOsParameters).fields.buf_size);
}

TEST(SmpServer, AnotherTransferEndsAnUpload) {
  ServerBench board;
  board.run_one();
  const flashtest::Object large = make_app(noise(12'000, 1));
  const flashtest::Object small = flashtest::make_model(noise(100, 2));
  const std::vector<std::byte> file = file_of(large);
  board.stop_at = 512 + 3 * 32 + 4096 + 2000;
  ASSERT_EQ(board.upload(file), std::nullopt);
  const std::uint64_t off = board.last.fields.off.value_or(0);
  // By the link: the chunk in assembly has no size in it.
  ASSERT_EQ(board.installer.begin({.slot = 2}, small.manifest_bytes()).status, wire::flash::Status::ok);
  const std::vector<std::uint8_t> window = board.bench.window;
  const std::vector<std::byte> part(900, std::byte{0x41});
  for (std::uint64_t at = off; at < off + 20 * part.size(); at += part.size()) {
    const Answer answer = board.ask(smp::Op::write, 1, smp::kImageUpload, [&](wire::CborWriter& writer) {
      writer.map(2);
      writer.text("off");
      writer.unsigned_int(at);
      writer.text("data");
      writer.bytes(part);
    });
    EXPECT_EQ(answer.fields.off, 0U) << "it has to begin anew";
  }
  EXPECT_EQ(board.bench.window, window);
  EXPECT_EQ(flashtest::run(board.installer, board.installer.list(0, small.list_bytes())).status,
            wire::flash::Status::ok)
      << "and the other one goes on";
  board.stop_at.reset();
  EXPECT_EQ(board.upload(file), std::nullopt);
  EXPECT_TRUE(board.bench.holds(1, large));
}

}  // namespace
}  // namespace tml::fw::boot
