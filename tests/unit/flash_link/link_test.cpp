// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The board's end of the flash link against the real Installer over a simulated line.
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>

#include "tests/support/link_rig.hpp"

namespace tml::fw::flashtest {
namespace {

using flash::Op;
using flash::Status;

Object small_app(std::uint32_t seed = 1, std::size_t bytes = 10'000) { return make_app(noise(bytes, seed)); }

std::size_t count_of(const LinkRig& rig, flash::Kind kind) {
  return static_cast<std::size_t>(
      std::count_if(rig.heard.begin(), rig.heard.end(), [kind](const Heard& heard) { return heard.kind == kind; }));
}

TEST(FlashLink, GreetsAndTellsWhoItIs) {
  LinkRig rig;
  ASSERT_TRUE(rig.hello());
  EXPECT_NE(rig.identity.session, 0);
  EXPECT_EQ(rig.identity.window, 2);
  EXPECT_EQ(rig.identity.max_payload, flash::kMaxFramePayload);
  EXPECT_EQ(rig.identity.caps, flash::kCapDeflate | flash::kCapDelta | flash::kCapBaud);
  EXPECT_EQ(rig.identity.bauds[2], 921600U);
  EXPECT_EQ(std::string_view(rig.identity.product.data()), kProductName);
  EXPECT_EQ(rig.identity.hardware, 3);
  const auto pong = rig.ask(Op::ping, fields(std::uint32_t{0x04030201}));
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->payload, fields(std::uint32_t{0x04030201}));
}

TEST(FlashLink, RefusesAnotherProtocolVersion) {
  LinkRig rig;
  flash::Hello hello;
  hello.version = 9;
  EXPECT_EQ(rig.status_of(Op::hello, encoded(hello)), Status::unsupported);
  EXPECT_FALSE(rig.link->in_session());
}

TEST(FlashLink, InstallsAnApplicationFromHelloToReboot) {
  LinkRig rig;
  const Object app = small_app();
  ASSERT_TRUE(rig.hello());
  const auto begun = rig.begin(app, 0);
  ASSERT_TRUE(begun) << flash::name(rig.last_begin);
  EXPECT_EQ(begun->state, flash::Begun::State::receiving);
  EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{0})), Status::not_complete);
  ASSERT_TRUE(rig.transfer(app));
  EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{0})), Status::ok);
  EXPECT_TRUE(rig.bench.holds(0, app));
  EXPECT_EQ(rig.status_of(Op::select, encoded(flash::Select{0, 0, 3})), Status::ok);
  EXPECT_EQ(rig.status_of(Op::reboot, fields(flash::Reboot::application)), Status::ok);
  for (int i = 0; i < 10; ++i) rig.step();
  EXPECT_EQ(rig.bench.port.resets, 1);
  EXPECT_EQ(rig.bench.port.reset_reason, flash::BootReason::update);
  EXPECT_TRUE(rig.link->finished());
  EXPECT_TRUE(rig.bench.flash.violations.empty()) << rig.bench.flash.violations.front();
}

TEST(FlashLink, AnswersNoHelloOnItsWayIntoARestart) {
  LinkRig rig;
  ASSERT_TRUE(rig.hello());
  EXPECT_EQ(rig.status_of(Op::reboot, fields(flash::Reboot::bootloader)), Status::ok);
  ASSERT_FALSE(rig.link->finished());
  const std::size_t replies = count_of(rig, flash::Kind::reply);
  const Bytes hello = encoded(flash::Hello{});
  rig.send_frame(
      {.kind = flash::Kind::request, .id = 99, .op = static_cast<std::uint8_t>(Op::hello), .payload = hello});
  for (int i = 0; i < 10; ++i) rig.step();
  EXPECT_TRUE(rig.link->finished());
  EXPECT_EQ(count_of(rig, flash::Kind::reply), replies);
  EXPECT_TRUE(rig.bench.port.stay);
}

TEST(FlashLink, CommitWaitsForChunksThatHaveArrived) {
  LinkRig rig({}, 3);
  const Object app = small_app();
  ASSERT_TRUE(rig.hello());
  ASSERT_TRUE(rig.begin(app, 0));
  for (int i = 0; i < 60; ++i) rig.step();
  for (std::size_t chunk = 0; chunk < 3; ++chunk) {
    for (std::size_t g = 0; g < 64; g += 16) rig.send_granules(app, {}, chunk, g, 16);
  }
  EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{0})), Status::ok);
  EXPECT_TRUE(rig.bench.holds(0, app));
}

TEST(FlashLink, TakesTheListInPieces) {
  LinkRig rig({.app_sectors = 8});
  const Object app = small_app(4, 8 * 4096 - 100);
  ASSERT_TRUE(rig.hello());
  const auto begun = rig.begin(app, 1, 0, flash::kNoSlot, 3);
  ASSERT_TRUE(begun);
  EXPECT_EQ(begun->state, flash::Begun::State::receiving);
  ASSERT_TRUE(rig.transfer(app, 64));
  EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{1})), Status::ok);
}

// Per byte: what a bad cable or a busy USB hub does at its worst.
class Lossy : public testing::TestWithParam<Damage> {};
TEST_P(Lossy, EndsWithTheRightBytes) {
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    LinkRig rig({.app_sectors = 8}, 2 + seed % 3);
    rig.random.seed(seed);
    rig.to_board = GetParam();
    rig.to_host = GetParam();
    const Object app = small_app(seed, 7 * 4096 + seed * 500);
    ASSERT_TRUE(rig.hello());
    ASSERT_TRUE(rig.begin(app, 0)) << flash::name(rig.last_begin);
    ASSERT_TRUE(rig.transfer(app, seed % 2 == 0 ? 128 : 512)) << "seed " << seed;
    EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{0})), Status::ok);
    EXPECT_TRUE(rig.bench.holds(0, app));
    EXPECT_TRUE(rig.bench.flash.violations.empty());
  }
}
INSTANTIATE_TEST_SUITE_P(Lines, Lossy,
                         testing::Values(Damage{}, Damage{.flip = 1e-4}, Damage{.flip = 1e-3}, Damage{.drop = 1e-3},
                                         Damage{.repeat = 1e-3}, Damage{5e-4, 5e-4, 5e-4}));

TEST(FlashLink, ARepeatedRequestIsCarriedOutOnce) {
  LinkRig rig;
  ASSERT_TRUE(rig.hello());
  const Bytes payload = fields(std::uint8_t{6});
  const flash::Frame erase{.kind = flash::Kind::request, .id = 77, .op = 13, .payload = payload};
  rig.send_frame(erase);
  for (int i = 0; i < 50; ++i) rig.step();
  const std::uint64_t erases = rig.bench.flash.erases;
  EXPECT_GT(erases, 0U);
  const std::size_t replies = count_of(rig, flash::Kind::reply);
  rig.send_frame(erase);
  for (int i = 0; i < 50; ++i) rig.step();
  EXPECT_EQ(rig.bench.flash.erases, erases);
  EXPECT_EQ(count_of(rig, flash::Kind::reply), replies + 1);
}

TEST(FlashLink, ASecondHelloOfTheSameIdIsTheSameSession) {
  LinkRig rig;
  const Bytes hello = encoded(flash::Hello{});
  const flash::Frame frame{.kind = flash::Kind::request, .id = 9, .op = 1, .payload = hello};
  rig.send_frame(frame);
  rig.step();
  rig.send_frame(frame);
  rig.step();
  ASSERT_EQ(rig.heard.size(), 2U);
  EXPECT_EQ(rig.heard[0].payload, rig.heard[1].payload);
  ASSERT_TRUE(rig.hello());
  const std::uint16_t first = rig.session;
  ASSERT_TRUE(rig.ask(Op::ping));
  ASSERT_TRUE(rig.hello());
  EXPECT_NE(rig.session, first);
  // A frame of the old session is nothing.
  const std::uint16_t now = std::exchange(rig.session, first);
  rig.heard.clear();
  rig.send_frame({.kind = flash::Kind::request, .id = 3, .op = 2});
  rig.session = now;
  for (int i = 0; i < 20; ++i) rig.step();
  EXPECT_TRUE(rig.heard.empty());
}

TEST(FlashLink, LongWorkTellsThatItGoesOnAndRefusesTheRest) {
  LinkRig rig({.data_sectors = 20});
  rig.bench.flash.erase_us = 100'000;
  ASSERT_TRUE(rig.hello());
  const Bytes payload = fields(std::uint8_t{6});
  rig.send_frame({.kind = flash::Kind::request, .id = 200, .op = 13, .payload = payload});
  std::uint64_t last_us = rig.bench.clock.now_us;
  std::uint64_t longest_us = 0;
  std::size_t known = rig.heard.size();
  bool asked = false;
  for (int i = 0; i < 2000 && (rig.heard.empty() || rig.heard.back().id != 200); ++i) {
    rig.step();
    if (rig.heard.size() > known) {
      longest_us = std::max(longest_us, rig.bench.clock.now_us - last_us);
      last_us = rig.bench.clock.now_us;
      known = rig.heard.size();
      if (!asked) {
        EXPECT_EQ(rig.heard.back().kind, flash::Kind::event);
        EXPECT_EQ(rig.heard.back().payload[0], std::byte{13});
        EXPECT_EQ(rig.status_of(Op::commit, payload), Status::busy);
        EXPECT_EQ(rig.status_of(Op::ping), Status::ok);
        asked = true;
        known = rig.heard.size();
      }
    }
  }
  EXPECT_TRUE(asked);
  EXPECT_LE(longest_us, 600'000U);
  EXPECT_EQ(rig.heard.back().status, Status::ok);
}

TEST(FlashLink, ForgetsAQuietSessionButNotTheSlot) {
  LinkRig rig;
  const Object app = small_app();
  ASSERT_TRUE(rig.hello());
  ASSERT_TRUE(rig.begin(app, 0));
  for (int i = 0; i < 40; ++i) rig.step();
  for (std::size_t g = 0; g < 64; g += 8) rig.send_granules(app, {}, 0, g, 8);
  for (int i = 0; i < 40; ++i) rig.step();
  ASSERT_TRUE(rig.ack);
  EXPECT_EQ(rig.ack->base, 1);
  rig.bench.clock.now_us += std::uint64_t{flash::kSessionTimeoutMs} * 1000;
  rig.step();
  EXPECT_FALSE(rig.link->in_session());
  EXPECT_FALSE(rig.link->busy());
  rig.boot();
  ASSERT_TRUE(rig.hello());
  const auto begun = rig.begin(app, 0);
  ASSERT_TRUE(begun);
  EXPECT_EQ(begun->have[0], 1);
  ASSERT_TRUE(rig.transfer(app));
  EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{0})), Status::ok);
}

TEST(FlashLink, ChangesTheRateInThreeSteps) {
  LinkRig rig;
  ASSERT_TRUE(rig.hello());
  EXPECT_EQ(rig.status_of(Op::baud, fields(std::uint32_t{12345})), Status::bad_argument);
  EXPECT_EQ(rig.status_of(Op::baud, fields(std::uint32_t{921600})), Status::ok);
  for (int i = 0; i < 5; ++i) rig.step();
  EXPECT_EQ(rig.uart.rate, 921600U);
  EXPECT_EQ(rig.status_of(Op::ping), Status::ok);
  rig.bench.clock.now_us += 400'000;
  rig.step();
  EXPECT_EQ(rig.uart.rate, 921600U);
  // Silence: the session ends, and so does the rate.
  rig.bench.clock.now_us += std::uint64_t{flash::kSessionTimeoutMs} * 1000;
  for (int i = 0; i < 5; ++i) rig.step();
  EXPECT_EQ(rig.uart.rate, 115200U);
}

TEST(FlashLink, FallsBackWhenNothingArrivesAtTheNewRate) {
  LinkRig rig;
  ASSERT_TRUE(rig.hello());
  EXPECT_EQ(rig.status_of(Op::baud, fields(std::uint32_t{460800})), Status::ok);
  rig.uart.empty = false;
  for (int i = 0; i < 20; ++i) rig.step();
  EXPECT_EQ(rig.uart.rate, 115200U) << "changed before the reply had left";
  rig.uart.empty = true;
  rig.step();
  EXPECT_EQ(rig.uart.rate, 460800U);
  rig.bench.clock.now_us += std::uint64_t{flash::kBaudProbeMs} * 1000;
  for (int i = 0; i < 5; ++i) rig.step();
  EXPECT_EQ(rig.uart.rate, 115200U);
  EXPECT_EQ(rig.status_of(Op::ping), Status::ok);
}

TEST(FlashLink, ALineWithoutARateRefusesBaud) {
  LinkRig rig;
  rig.uart.has_rate = false;
  rig.boot();
  ASSERT_TRUE(rig.hello());
  EXPECT_EQ(rig.identity.caps & flash::kCapBaud, 0U);
  EXPECT_EQ(rig.identity.bauds[0], 0U);
  EXPECT_EQ(rig.status_of(Op::baud, fields(std::uint32_t{921600})), Status::unsupported);
}

TEST(FlashLink, AcknowledgesWithinEightMilliseconds) {
  LinkRig rig;
  const Object app = small_app();
  ASSERT_TRUE(rig.hello());
  ASSERT_TRUE(rig.begin(app, 0));
  for (int i = 0; i < 60; ++i) rig.step();
  rig.heard.clear();
  rig.send_granules(app, {}, 0, 0, 8);
  const std::uint64_t sent_us = rig.bench.clock.now_us;
  while (rig.heard.empty()) rig.step(100);
  EXPECT_LE(rig.bench.clock.now_us - sent_us, 8'200U);
  EXPECT_EQ(rig.ack->got[0], 0xFFU);
  // A gap is told at once, and so is noise.
  rig.heard.clear();
  rig.send_granules(app, {}, 0, 16, 8);
  rig.step(0);
  ASSERT_EQ(rig.heard.size(), 1U);
  EXPECT_EQ(rig.ack->got[0], 0xFF00FFU);
  rig.send(fields(std::uint8_t{0}, std::uint32_t{0x05040302}, std::uint8_t{0}));
  rig.step(0);
  EXPECT_EQ(rig.heard.size(), 2U);
}

TEST(FlashLink, OpensTheWindowAndNoMore) {
  LinkRig rig({.app_sectors = 8});
  const Object app = small_app(2, 8 * 4096);
  ASSERT_TRUE(rig.hello());
  ASSERT_TRUE(rig.begin(app, 0));
  for (int i = 0; i < 60; ++i) rig.step();
  ASSERT_TRUE(rig.ack);
  EXPECT_EQ(rig.ack->limit, 128);
  // Beyond the window: not taken, and nothing else is harmed.
  rig.send_granules(app, {}, 5, 0, 8);
  for (int i = 0; i < 20; ++i) rig.step();
  EXPECT_EQ(rig.ack->base, 0);
  EXPECT_EQ(rig.ack->chunks, 0);
  ASSERT_TRUE(rig.transfer(app));
}

TEST(FlashLink, LimitsToWhatTheDriverBuffersWhileTheFlashIsBusy) {
  LinkRig rig({.app_sectors = 8}, 4);
  rig.bench.flash.erase_us = 45'000;
  rig.uart.rate = 921600;
  const Object app = small_app(2, 8 * 4096);
  ASSERT_TRUE(rig.hello());
  ASSERT_TRUE(rig.begin(app, 0));
  for (int i = 0; i < 60; ++i) rig.step();
  ASSERT_TRUE(rig.ack);
  EXPECT_GE(rig.ack->flash_ms, 45);
  // 45 ms at 921600 baud are 4147 bytes, the driver holds 520: six granules with their frames.
  EXPECT_EQ(rig.ack->limit, 6);
  // What was lost comes again and fills the driver too: 0 and 6 to 10.
  rig.send_granules(app, {}, 0, 1, 5);
  for (int i = 0; i < 60; ++i) rig.step();
  EXPECT_EQ(rig.ack->limit, 11);
  ASSERT_TRUE(rig.transfer(app));
  // At 115200 baud they are 518.
  LinkRig slow({.app_sectors = 8}, 4);
  slow.bench.flash.erase_us = 45'000;
  ASSERT_TRUE(slow.hello());
  ASSERT_TRUE(slow.begin(app, 0));
  for (int i = 0; i < 60; ++i) slow.step();
  EXPECT_EQ(slow.ack->limit, 256);
}

TEST(FlashLink, AChunkThatIsNotTheSignedOneIsAskedForAgain) {
  LinkRig rig;
  const Object app = small_app();
  const Object other = small_app(99);
  ASSERT_TRUE(rig.hello());
  ASSERT_TRUE(rig.begin(app, 0));
  for (int i = 0; i < 60; ++i) rig.step();
  for (std::size_t g = 0; g < 64; g += 8) rig.send_granules(other, {}, 0, g, 8);
  for (int i = 0; i < 20; ++i) rig.step();
  EXPECT_EQ(rig.ack->base, 0);
  EXPECT_EQ(rig.ack->flags & flash::kAckRejected, flash::kAckRejected);
  EXPECT_EQ(rig.ack->chunks, 0);
  ASSERT_TRUE(rig.transfer(app));
  EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{0})), Status::ok);
}

TEST(FlashLink, AFlashThatFailsEndsTheTransferAndCommitSaysWhy) {
  LinkRig rig;
  const Object app = small_app();
  ASSERT_TRUE(rig.hello());
  ASSERT_TRUE(rig.begin(app, 0));
  for (int i = 0; i < 60; ++i) rig.step();
  rig.bench.flash.fault = {Fault::Kind::error, rig.bench.flash.operations};
  EXPECT_FALSE(rig.transfer(app));
  ASSERT_TRUE(rig.ack);
  EXPECT_EQ(rig.ack->flags & flash::kAckFailed, flash::kAckFailed);
  EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{0})), Status::program_failed);
  // A new BEGIN goes on where it was.
  ASSERT_TRUE(rig.begin(app, 0));
  rig.ack.reset();
  ASSERT_TRUE(rig.transfer(app));
  EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{0})), Status::ok);
}

Bytes deflated(std::span<const std::uint8_t> chunk, std::span<const std::uint8_t> dictionary) {
  z_stream z{};
  deflateInit2(&z, 9, Z_DEFLATED, -13, 9, Z_DEFAULT_STRATEGY);
  if (!dictionary.empty()) deflateSetDictionary(&z, dictionary.data(), static_cast<uInt>(dictionary.size()));
  std::vector<std::uint8_t> out(chunk.size() + 100);
  z.next_in = const_cast<Bytef*>(chunk.data());
  z.avail_in = static_cast<uInt>(chunk.size());
  z.next_out = out.data();
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  const auto bytes = std::as_bytes(std::span(out));
  return {bytes.begin(), bytes.end()};
}

TEST(FlashLink, TakesCompressedChunksAndDeltas) {
  LinkRig rig({.app_sectors = 8});
  auto content = noise(6 * 4096, 5);
  const Object old_app = make_app(content);
  rig.bench.load(1, old_app);
  rig.boot();
  // New bytes in front, some changes, a compressible end.
  content.insert(content.begin() + 100, 37, 0xAA);
  content[9000] ^= 1U;
  std::fill(content.begin() + 5 * 4096, content.end(), std::uint8_t{7});
  const Object app = make_app(content, 0x01000001);
  ASSERT_TRUE(rig.hello());
  ASSERT_TRUE(rig.begin(app, 0, 0, 1)) << flash::name(rig.last_begin);
  std::size_t sent_bytes = 0;
  ASSERT_TRUE(rig.transfer(app, 256, [&](std::size_t chunk) {
    const auto bytes = app.chunk(chunk);
    LinkRig::Sent sent{flash::Kind::data_deflate, deflated(bytes, {})};
    if (chunk < 5) {
      const std::uint32_t base = static_cast<std::uint32_t>(chunk * 4096 - (chunk > 0 ? 37 : 0));
      sent.kind = flash::Kind::data_delta;
      sent.bytes = fields(base);
      const Bytes stream = deflated(bytes, std::span(old_app.payload).subspan(base, 4096));
      sent.bytes.insert(sent.bytes.end(), stream.begin(), stream.end());
    }
    sent_bytes += sent.bytes.size();
    return sent;
  }));
  EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{0})), Status::ok);
  EXPECT_TRUE(rig.bench.holds(0, app));
  EXPECT_LT(sent_bytes, 2000U * 6);
}

TEST(FlashLink, CopiesWhatTheBaseHas) {
  LinkRig rig({.app_sectors = 8});
  auto content = noise(6 * 4096, 5);
  const Object old_app = make_app(content);
  rig.bench.load(1, old_app);
  rig.boot();
  content[3 * 4096] ^= 0xFFU;
  const Object app = make_app(content, 0x01000001);
  ASSERT_TRUE(rig.hello());
  ASSERT_TRUE(rig.begin(app, 0, 0, 1));
  Bytes runs = encoded(flash::Copy{0, 0, 3});
  const Bytes second = encoded(flash::Copy{4, 4, 2});
  runs.insert(runs.end(), second.begin(), second.end());
  const auto copied = rig.ask(Op::copy, runs);
  ASSERT_TRUE(copied);
  ASSERT_EQ(copied->status, Status::ok);
  EXPECT_EQ(copied->payload, fields(std::uint16_t{5}));
  rig.ack.reset();
  ASSERT_TRUE(rig.transfer(app));
  EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{0})), Status::ok);
  EXPECT_TRUE(rig.bench.holds(0, app));
}

TEST(FlashLink, AnswersWhatIsAsked) {
  LinkRig rig;
  const Object app = small_app();
  rig.bench.load(0, app);
  rig.boot();
  ASSERT_TRUE(rig.hello());
  const auto slot = rig.ask(Op::slot, fields(std::uint8_t{0}));
  ASSERT_TRUE(slot);
  flash::SlotInfo info;
  std::span<const std::byte> in = slot->payload;
  ASSERT_TRUE(flash::decode(in, info));
  EXPECT_EQ(info.state, flash::SlotInfo::State::complete);
  EXPECT_EQ(info.payload_hash, app.manifest.payload_hash);
  const auto hashes = rig.ask(Op::hashes, fields(std::uint8_t{0}, std::uint16_t{1}, std::uint16_t{200}));
  ASSERT_TRUE(hashes);
  const auto list = app.list_bytes();
  EXPECT_TRUE(std::equal(hashes->payload.begin(), hashes->payload.end(), list.begin() + 32, list.end()));
  EXPECT_EQ(rig.status_of(Op::verify, fields(std::uint8_t{0})), Status::ok);
  EXPECT_EQ(rig.status_of(Op::read, fields(std::uint8_t{0}, std::uint32_t{0}, std::uint16_t{16})), Status::policy);
  EXPECT_EQ(rig.status_of(Op::log, fields(std::uint16_t{0})), Status::bad_argument);
  std::array<char, 32> tag{};
  std::copy_n("shelf 7", 7, tag.begin());
  EXPECT_EQ(rig.status_of(Op::tag, fields(tag)), Status::ok);
  const auto log = rig.ask(Op::log, fields(std::uint16_t{0}));
  ASSERT_TRUE(log);
  EXPECT_EQ(log->payload.size(), flash::kBootRecordBytes);
  const auto keys = rig.ask(Op::key_list);
  ASSERT_TRUE(keys);
  EXPECT_EQ(keys->payload.size(), 5U + 10U);
  for (const Op op : {Op::status, Op::counters}) EXPECT_EQ(rig.status_of(op), Status::ok);
  EXPECT_EQ(rig.status_of(static_cast<Op>(99)), Status::unsupported);
  EXPECT_EQ(rig.status_of(Op::working), Status::unsupported);
  EXPECT_EQ(rig.status_of(Op::slot, fields(std::uint8_t{7})), Status::bad_argument);
  EXPECT_EQ(rig.status_of(Op::slot), Status::bad_frame);
  EXPECT_EQ(rig.status_of(Op::confirm, fields(std::uint8_t{0})), Status::nothing_on_trial);
  ASSERT_TRUE(rig.hello());
  EXPECT_EQ(rig.identity.tag, tag);
}

TEST(FlashLink, ReadsASlotOnlyWhereTheBoardWasBuiltForIt) {
  LinkRig rig;
  rig.bench.trust.allow_read = true;
  const Object app = small_app();
  rig.bench.load(0, app);
  rig.boot();
  ASSERT_TRUE(rig.hello());
  EXPECT_NE(rig.identity.caps & flash::kCapRead, 0U);
  const auto read = rig.ask(Op::read, fields(std::uint8_t{0}, std::uint32_t{100}, std::uint16_t{512}));
  ASSERT_TRUE(read);
  ASSERT_EQ(read->payload.size(), 512U);
  EXPECT_EQ(std::memcmp(read->payload.data(), app.payload.data() + 100, 512), 0);
  const std::uint32_t end = rig.bench.slots[0].size_bytes;
  EXPECT_EQ(rig.status_of(Op::read, fields(std::uint8_t{0}, end - 1, std::uint16_t{2})), Status::bad_argument);
  EXPECT_EQ(rig.status_of(Op::read, fields(std::uint8_t{0}, UINT32_MAX, std::uint16_t{2})), Status::bad_argument);
}

TEST(FlashLink, NothingIsWrittenWithoutAValidManifest) {
  LinkRig rig;
  Object app = small_app();
  app.manifest.version ^= 1U;  // signed before
  ASSERT_TRUE(rig.hello());
  EXPECT_FALSE(rig.begin(app, 0));
  EXPECT_EQ(rig.last_begin, Status::bad_signature);
  rig.send_granules(app, {}, 0, 0, 8);
  for (int i = 0; i < 20; ++i) rig.step();
  EXPECT_EQ(rig.bench.flash.operations, 0U);
  EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{0})), Status::not_ready);
}

TEST(FlashLink, ARefusedBeginLeavesTheTransferAsItIs) {
  LinkRig rig;
  const Object app = small_app();
  Object bad = small_app(3);
  bad.manifest.epoch = 9;
  ASSERT_TRUE(rig.hello());
  ASSERT_TRUE(rig.begin(app, 0));
  EXPECT_FALSE(rig.begin(bad, 1));
  ASSERT_TRUE(rig.transfer(app));
  EXPECT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{0})), Status::ok);
}

struct Watcher final : update::SlotWatcher {
  std::vector<std::pair<char, std::uint8_t>> calls;
  void slot_changes(std::uint8_t slot) override { calls.emplace_back('s', slot); }
  void lane_changes(std::uint8_t lane) override { calls.emplace_back('l', lane); }
};

TEST(FlashLink, TellsTheApplicationWhatChanges) {
  LinkRig rig({}, 2, flash::Mode::application);
  rig.bench.load(2, make_model(noise(3000, 4)));
  rig.boot();
  Watcher watcher;
  rig.link->watch(&watcher);
  const Object model = make_model(noise(5000, 3));
  ASSERT_TRUE(rig.hello());
  EXPECT_EQ(rig.identity.app_version, 0x01020003U);
  ASSERT_TRUE(rig.begin(model, 3));
  ASSERT_FALSE(watcher.calls.empty());
  EXPECT_EQ(watcher.calls.front(), std::make_pair('s', std::uint8_t{3}));
  EXPECT_LE(rig.bench.flash.operations, 40U);
  ASSERT_TRUE(rig.transfer(model));
  ASSERT_EQ(rig.status_of(Op::commit, fields(std::uint8_t{3})), Status::ok);
  watcher.calls.clear();
  ASSERT_EQ(rig.status_of(Op::select, encoded(flash::Select{3, 0, 3})), Status::ok);
  ASSERT_EQ(rig.status_of(Op::confirm, fields(std::uint8_t{1})), Status::ok);
  const std::vector<std::pair<char, std::uint8_t>> expected{{'l', 1}, {'l', 1}};
  EXPECT_EQ(watcher.calls, expected);
}

TEST(FlashLink, DataAreNotForTheTransferOfSomebodyElse) {
  LinkRig rig;
  const Object app = small_app();
  const Object other = make_model(noise(5000, 3));
  ASSERT_TRUE(rig.hello());
  ASSERT_TRUE(rig.begin(app, 0));
  for (int i = 0; i < 20; ++i) rig.step();
  // SMP, in the same bootloader, begins another transfer and uses the same window.
  ASSERT_EQ(begin(*rig.installer, other, 2), Status::ok);
  std::fill(rig.bench.window.begin(), rig.bench.window.end(), std::uint8_t{0x55});
  rig.send_granules(app, {}, 0, 0, 64);
  for (int i = 0; i < 20; ++i) rig.step();
  EXPECT_EQ(rig.bench.window.front(), 0x55);
  EXPECT_NE(rig.ack->flags & flash::kAckFailed, 0);
  EXPECT_EQ(rig.status_of(Op::list, fields(std::uint16_t{0})), Status::not_ready);
  // Nor does the end of the session end it.
  ASSERT_TRUE(rig.hello());
  EXPECT_TRUE(rig.installer->receiving());
  EXPECT_EQ(send(*rig.installer, other), Status::ok);
}

}  // namespace
}  // namespace tml::fw::flashtest
