// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The sender by itself: what it sends, when, and again.
#include "common/flashlink/sender.hpp"

#include "tests/unit/flashlink/objects.hpp"

namespace tml::flashlink::testing {
namespace {

using namespace std::chrono_literals;
using Nanos = std::chrono::nanoseconds;
namespace flash = wire::flash;
constexpr std::uint16_t kSession = 77;

struct Rig {
  explicit Rig(std::size_t size, std::uint32_t baud = 0) : payload(noise_bytes(size, 1)), chunks(chunks_of(size)) {
    SenderOptions options;
    options.session = kSession;
    options.max_payload = 512;
    options.baud = baud;
    sender.emplace(payload, chunks, std::vector<bool>{}, options);
  }
  /// Granule index and count of the next frame; nothing when there is none.
  std::optional<std::pair<std::size_t, std::size_t>> next() {
    std::array<std::byte, flash::kMaxEncodedFrame> out{};
    const std::size_t size = sender->next(now, out);
    if (size == 0) return std::nullopt;
    Bytes memory(flash::kMaxFrameBytes);
    wire::CobsDecoder decoder(memory);
    auto event = wire::CobsDecoder::Event::none;
    for (std::size_t i = 0; i < size; ++i) event = decoder.push(out[i]);
    EXPECT_EQ(event, wire::CobsDecoder::Event::frame);
    const auto parsed = flash::parse_frame(decoder.frame(), kSession, false);
    EXPECT_TRUE(parsed);
    const auto& frame = parsed->frame;
    const auto bytes = std::span(payload).subspan(frame.granule * std::size_t{64}, frame.payload.size());
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), frame.payload.begin()));
    return std::pair<std::size_t, std::size_t>(frame.granule, (frame.payload.size() + 63) / 64);
  }
  std::vector<std::size_t> drain() {
    std::vector<std::size_t> starts;
    while (const auto frame = next()) starts.push_back(frame->first);
    return starts;
  }
  std::vector<std::size_t> drain_granules() {
    std::vector<std::size_t> granules;
    while (const auto frame = next()) {
      for (std::size_t i = 0; i < frame->second; ++i) granules.push_back(frame->first + i);
    }
    return granules;
  }
  void ack(std::uint16_t base, std::uint16_t limit, std::vector<std::uint64_t> got) {
    flash::Ack value;
    value.base = base;
    value.limit = limit;
    value.chunks = static_cast<std::uint8_t>(got.size());
    std::copy(got.begin(), got.end(), value.got.begin());
    sender->on_ack(value, now);
  }

  Bytes payload;
  std::vector<Prepared> chunks;
  std::optional<Sender> sender;
  Nanos now{1s};
};

TEST(Sender, sends_one_chunk_before_the_first_word_of_the_board) {
  Rig rig(40'000);
  EXPECT_EQ(rig.drain().size(), 8U);
  rig.now += 5ms;
  rig.ack(0, 64 * 3, {0});
  EXPECT_EQ(rig.drain().size(), 16U);
}

TEST(Sender, resends_a_hole_at_once_and_only_once) {
  Rig rig(40'000);
  EXPECT_THAT(rig.drain(), ::testing::ElementsAre(0, 8, 16, 24, 32, 40, 48, 56));
  rig.now += 20ms;
  rig.ack(0, 64, {0x0000'0000'FF00'FFFF});  // frame 2 is missing, 4 to 7 are not heard of
  EXPECT_THAT(rig.drain_granules(), ::testing::ElementsAre(16, 17, 18, 19, 20, 21, 22, 23));
  rig.ack(0, 64, {0x0000'0000'FF00'FFFF});
  EXPECT_TRUE(rig.drain().empty());
  EXPECT_EQ(rig.sender->counters().lost_frames, 1U);
}

TEST(Sender, asks_with_the_last_granule_after_silence) {
  Rig rig(4096);
  rig.drain();
  EXPECT_EQ(rig.sender->wake(), rig.now + Sender::kMinTimeout);
  rig.now = rig.sender->wake();
  const auto probe = rig.next();
  ASSERT_TRUE(probe);
  EXPECT_EQ(*probe, (std::pair<std::size_t, std::size_t>(63, 1)));
  EXPECT_FALSE(rig.next());
  // It arrives, nothing before it had: everything else is lost, and known to be.
  rig.ack(0, 64, {std::uint64_t{1} << 63U});
  EXPECT_EQ(rig.drain_granules().size(), 63U);
}

TEST(Sender, waits_longer_after_each_silence) {
  Rig rig(4096);
  rig.drain();
  Nanos before = rig.now;
  Nanos wait{0};
  for (int i = 0; i < 4; ++i) {
    rig.now = rig.sender->wake();
    EXPECT_GT(rig.now - before, wait);
    wait = rig.now - before;
    before = rig.now;
    ASSERT_TRUE(rig.next());
  }
  EXPECT_LE(wait, Sender::kMaxTimeout);
}

TEST(Sender, asks_for_a_window_that_stays_shut) {
  Rig rig(12'000);
  rig.drain();
  rig.ack(1, 64, {});
  EXPECT_FALSE(rig.next());
  rig.now = rig.sender->wake();
  // The board's next word was lost: something small makes it speak again.
  const auto question = rig.next();
  ASSERT_TRUE(question);
  EXPECT_EQ(question->second, 1U);
  EXPECT_FALSE(rig.next());
  rig.ack(1, 128, {});
  EXPECT_FALSE(rig.drain().empty());
}

TEST(Sender, keeps_the_driver_short) {
  Rig rig(40'000, 115'200);
  rig.ack(0, 64 * 8, {});
  const auto first = rig.drain();
  EXPECT_LE(first.size() * 512, 115'200 / 10 / 50 + 512U);
  EXPECT_GT(rig.sender->wake(), rig.now);
  rig.now = rig.sender->wake();
  EXPECT_FALSE(rig.drain().empty());
}

TEST(Sender, small_frames_on_a_bad_line_large_ones_on_a_good_one) {
  const Bytes payload = noise_bytes(1U << 20U, 2);
  const std::vector<Prepared> chunks(256);
  for (const bool bad : {false, true}) {
    SenderOptions options;
    options.max_payload = 2048;
    Sender sender(payload, chunks, {}, options);
    EXPECT_GE(sender.frame_payload(), 448U);
    EXPECT_LE(sender.frame_payload(), 576U);
    std::array<std::byte, flash::kMaxEncodedFrame> out{};
    std::mt19937 random(5);
    Nanos now = 0s;
    std::vector<std::uint64_t> got(256, 0);
    for (unsigned round = 0; round < 40'000 && sender.state() == Sender::State::sending; ++round) {
      now += 1ms;
      const std::size_t size = sender.next(now, out);
      flash::Ack ack;
      while (ack.base < 256 && got[ack.base] == ~std::uint64_t{0}) ++ack.base;
      if (size > 0 && (!bad || random() % 500 > size)) {
        Bytes memory(flash::kMaxFrameBytes);
        wire::CobsDecoder decoder(memory);
        for (std::size_t i = 0; i < size; ++i) decoder.push(out[i]);
        const auto parsed = flash::parse_frame(decoder.frame(), 0, true);
        // Session 0 carries only HELLO: read the granule by hand.
        static_cast<void>(parsed);
        const std::size_t granule =
            std::to_integer<std::size_t>(decoder.frame()[1]) | std::to_integer<std::size_t>(decoder.frame()[2]) << 8U;
        for (std::size_t i = 0; i < (decoder.frame().size() - 7) / 64; ++i) {
          got[granule / 64] |= std::uint64_t{1} << (granule % 64 + i);
        }
      }
      while (ack.base < 256 && got[ack.base] == ~std::uint64_t{0}) ++ack.base;
      ack.limit = static_cast<std::uint16_t>(std::min(ack.base + 8, 256) * 64);
      ack.chunks = static_cast<std::uint8_t>(std::min(8, 256 - ack.base));
      for (std::size_t i = 0; i < ack.chunks; ++i) ack.got[i] = got[ack.base + i];
      if (size > 0) sender.on_ack(ack, now);
    }
    if (bad) {
      EXPECT_LE(sender.frame_payload(), 128U);
    } else {
      EXPECT_EQ(sender.frame_payload(), 2048U);
      EXPECT_EQ(sender.state(), Sender::State::done);
    }
  }
}

// Whatever a board says: no crash, no frame outside the object, and the limit is kept.
RC_GTEST_PROP(SenderProperty, takes_any_acknowledgement, ()) {
  const std::size_t size = *rc::gen::inRange<std::size_t>(1, 60'000);
  Rig rig(size, *rc::gen::element(0U, 921'600U));
  const std::size_t granules = chunks_of(size) * 64;
  std::size_t limit = 64;
  for (unsigned steps = 0; steps < 60; ++steps) {
    for (unsigned frames = *rc::gen::inRange(0U, 12U); frames > 0; --frames) {
      const auto frame = rig.next();
      if (!frame) break;
      RC_ASSERT((frame->first + frame->second - 1) * 64 < size);
    }
    flash::Ack ack;
    ack.base = *rc::gen::inRange<std::uint16_t>(0, static_cast<std::uint16_t>(chunks_of(size) + 2));
    ack.limit = *rc::gen::inRange<std::uint16_t>(0, static_cast<std::uint16_t>(granules + 100));
    ack.flags = *rc::gen::elementOf(std::vector<std::uint8_t>{0, 0, 0, 0, 1});
    ack.flash_ms = *rc::gen::elementOf(std::vector<std::uint16_t>{0, 50, 65'535});
    ack.chunks = *rc::gen::inRange<std::uint8_t>(0, 9);
    for (auto& got : ack.got)
      got = *rc::gen::oneOf(rc::gen::arbitrary<std::uint64_t>(), rc::gen::just(~std::uint64_t{0}));
    rig.sender->on_ack(ack, rig.now);
    limit = ack.limit;
    rig.now += std::chrono::milliseconds(*rc::gen::inRange(0, 200));
    RC_ASSERT(rig.sender->stored_bytes() <= size);
  }
  static_cast<void>(limit);
}

}  // namespace
}  // namespace tml::flashlink::testing
