// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Whole transfers over simulated lines: content, efficiency, losses, cables, cancellation.
#include "common/flashlink/transfer.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include "tests/support/run_on.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/flashlink/objects.hpp"
#include "tests/unit/flashlink/sim_line.hpp"

namespace tml::flashlink::testing {
namespace {

struct Rig {
  explicit Rig(SimBoard::Config board_config = {}, SimLine::Config line_config = {})
      : board(std::move(board_config)), line_config(std::move(line_config)) {
    plug();
  }
  void plug() {
    session.reset();
    line = std::make_unique<SimLine>(board, clock, line_config);
    session = std::make_unique<Session>(*line, random);
  }
  /// connect, rate, transfer.
  Result<void> run(Transfer& transfer, std::uint32_t most_baud) {
    auto steps = [](Rig& rig, Transfer& what, std::uint32_t most) -> serial::Awaitable<Result<void>> {
      auto connected = co_await rig.session->connect();
      if (!connected) co_return tml::pass(connected.error());
      auto raised = co_await rig.session->raise_baud(most);
      if (!raised) co_return tml::pass(raised.error());
      rig.rate = *raised;
      co_return co_await what.run(*rig.session);
    };
    return tml::test::run_on(io, steps(*this, transfer, most_baud));
  }
  double share(const SignedObject& object, const Transfer& transfer) const {
    return static_cast<double>(object.payload.size()) * 10 / rate / transfer.report().data_seconds;
  }

  boost::asio::io_context io;
  // A transfer's worker may let go of the loop only after an operation has ended; that must not stop the next one.
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  ManualClock clock;
  SimBoard board;
  SimLine::Config line_config;
  SeededRandom random{7};
  std::unique_ptr<SimLine> line;
  std::unique_ptr<Session> session;
  std::uint32_t rate = 0;
};

TransferOptions into(std::uint8_t slot, std::uint8_t base = flash::kNoSlot) {
  TransferOptions options;
  options.slot = slot;
  options.base_slot = base;
  return options;
}

constexpr std::uint8_t kData = 6;
const Noise kNoisy{1e-5, 1e-3, 1e-3};

struct Goal {
  std::uint32_t baud;
  double share;
};
class Throughput : public ::testing::TestWithParam<Goal> {};

TEST_P(Throughput, reaches_the_share_of_the_line) {
  const SignedObject object = object_of(noise_bytes(1U << 20U, 3));
  Rig rig;
  Transfer transfer(object.view(), into(kData));
  const auto done = rig.run(transfer, GetParam().baud);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(rig.rate, GetParam().baud);
  EXPECT_EQ(rig.board.slots[kData].payload, object.payload);
  EXPECT_EQ(rig.board.commits, 1U);
  EXPECT_EQ(rig.board.granules_twice, 0U);
  EXPECT_EQ(transfer.report().raw, 256U);
  EXPECT_GE(rig.share(object, transfer), GetParam().share);
  RecordProperty("share", std::to_string(rig.share(object, transfer)));
  // What was handed to the driver ahead of the line: latency for everything that follows.
  EXPECT_LE(rig.line->most_queued, GetParam().baud / 10 / 50 + 3 * flash::kMaxEncodedFrame);
}
INSTANTIATE_TEST_SUITE_P(Rates, Throughput,
                         ::testing::Values(Goal{460'800, 0.97}, Goal{921'600, 0.97}, Goal{3'000'000, 0.96}));

TEST(Transfer, fills_a_noisy_line_both_ways) {
  const SignedObject object = object_of(noise_bytes(1U << 18U, 4));
  for (const std::uint32_t seed : {1U, 2U, 3U}) {
    SimLine::Config line;
    line.up = line.down = kNoisy;
    line.seed = seed;
    Rig rig({}, line);
    Transfer transfer(object.view(), into(kData));
    const auto done = rig.run(transfer, 460'800);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(rig.board.slots[kData].payload, object.payload);
    EXPECT_GE(rig.share(object, transfer), 0.6) << "seed " << seed << " rate " << rig.rate;
  }
}

TEST(Transfer, compresses_only_what_gets_smaller) {
  Bytes payload = soft_bytes(40'000, 5);
  const Bytes hard = noise_bytes(8192, 6);
  payload.insert(payload.begin() + 4096, hard.begin(), hard.end());
  const SignedObject object = object_of(payload);
  Rig rig;
  Transfer transfer(object.view(), into(kData));
  ASSERT_TRUE(rig.run(transfer, 0));
  EXPECT_EQ(rig.board.slots[kData].payload, payload);
  EXPECT_EQ(transfer.report().raw, 2U);
  EXPECT_EQ(transfer.report().deflated, transfer.report().chunks - 2);
  EXPECT_LT(transfer.report().sent_bytes, payload.size() * 3 / 4);

  TransferOptions plain = into(4);
  plain.compress = false;
  rig.board.reset();
  rig.plug();
  const SignedObject other = object_of(soft_bytes(30'000, 55));
  Transfer again(other.view(), plain);
  ASSERT_TRUE(rig.run(again, 0));
  EXPECT_EQ(again.report().raw, again.report().chunks);
}

TEST(Transfer, copies_what_the_base_has_and_sends_differences) {
  const Bytes old_payload = noise_bytes(60'000, 8);
  Bytes payload = old_payload;
  payload[5000] ^= std::byte{1};                                  // one chunk changes
  payload.insert(payload.begin() + 45'000, 100, std::byte{'x'});  // everything behind moves
  const SignedObject object = object_of(payload);
  tml::test::TempDir folder;
  const PayloadCache cache(folder.path());
  ASSERT_TRUE(cache.keep(sha256(old_payload), old_payload));
  for (const bool cached : {false, true}) {
    Rig rig;
    rig.board.slots[2] = {old_payload, chunk_hashes(old_payload)};
    Transfer transfer(object.view(), into(3, 2), cached ? &cache : nullptr);
    const auto done = rig.run(transfer, 0);
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(rig.board.slots[3].payload, payload);
    EXPECT_EQ(transfer.report().copied, 9U);
    EXPECT_EQ(transfer.report().deltas, cached ? 6U : 0U);
    if (cached) EXPECT_LT(transfer.report().sent_bytes, 1500U);
  }
}

TEST(Transfer, sends_what_could_not_be_copied) {
  const Bytes old_payload = noise_bytes(60'000, 8);
  const SignedObject object = object_of(old_payload);
  Rig rig;
  rig.board.slots[2] = {old_payload, chunk_hashes(old_payload)};
  rig.board.copy_fails = [](std::size_t chunk) { return chunk == 7; };
  Transfer transfer(object.view(), into(3, 2));
  ASSERT_TRUE(rig.run(transfer, 0));
  EXPECT_EQ(rig.board.slots[3].payload, old_payload);
}

TEST(Transfer, falls_back_to_raw_when_a_form_is_rejected) {
  const SignedObject object = object_of(soft_bytes(30'000, 9));
  Rig rig;
  rig.board.rejects = [](std::size_t chunk, flash::Encoding encoding) {
    return chunk % 3 == 1 && encoding != flash::Encoding::raw;
  };
  Transfer transfer(object.view(), into(kData));
  const auto done = rig.run(transfer, 0);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(rig.board.slots[kData].payload, object.payload);
}

TEST(Transfer, gives_up_on_a_chunk_that_is_always_rejected) {
  for (const std::size_t chunk : {std::size_t{0}, std::size_t{3}, std::size_t{7}}) {
    const SignedObject object = object_of(soft_bytes(30'000, 9));
    Rig rig;
    rig.board.rejects = [chunk](std::size_t number, flash::Encoding) { return number == chunk; };
    Transfer transfer(object.view(), into(kData));
    const auto done = rig.run(transfer, 0);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::verification) << done.error().message();
    EXPECT_THAT(done.error().what, ::testing::HasSubstr("chunk " + std::to_string(chunk)));
  }
}

TEST(Transfer, tells_why_the_board_ended_it) {
  const SignedObject object = object_of(noise_bytes(30'000, 9));
  Rig rig;
  rig.board.fail_transfer = true;
  Transfer transfer(object.view(), into(kData));
  const auto done = rig.run(transfer, 0);
  ASSERT_FALSE(done);
  // Errc::io would be taken for the line's fault and tried again and again.
  EXPECT_EQ(done.error().code, Errc::failed);
  EXPECT_EQ(done.error().what, "the board ended the transfer: " + std::string(text(flash::Status::program_failed)));
  EXPECT_THAT(done.error().hint, ::testing::HasSubstr("worn out"));
}

TEST(Transfer, goes_on_behind_a_pulled_cable) {
  const SignedObject object = object_of(noise_bytes(300'000, 10));
  Rig rig;
  Transfer transfer(object.view(), into(kData));
  rig.line->unplug_at = 2200ms;
  auto done = rig.run(transfer, 460'800);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::unplugged);
  const std::size_t stored = rig.board.stored_chunks();
  ASSERT_GT(stored, 2U);
  ASSERT_LT(stored, object.manifest.chunk_count);
  rig.board.reset();
  rig.plug();
  done = rig.run(transfer, 460'800);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(rig.board.slots[kData].payload, object.payload);
  // One window and the chunk before it, at most, and the report counts it.
  EXPECT_LE(transfer.report().again_chunks, rig.board.config.window + 1);
  EXPECT_EQ(transfer.report().sessions, 2U);
  const std::uint64_t surplus = transfer.report().line_bytes - object.payload.size();
  EXPECT_LE(surplus, object.payload.size() / 50 + (rig.board.config.window + 1) * flash::kChunkBytes);
}

TEST(Transfer, a_silent_board_is_a_timeout_and_can_be_resumed) {
  const SignedObject object = object_of(noise_bytes(200'000, 11));
  Rig rig;
  Transfer transfer(object.view(), into(kData));
  rig.line->on_time = [&rig](Nanos now) { rig.board.dead = now > 1800ms; };
  auto done = rig.run(transfer, 460'800);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::timeout);
  rig.board.dead = false;
  rig.board.reset();
  rig.plug();
  ASSERT_TRUE(rig.run(transfer, 460'800));
  EXPECT_EQ(rig.board.slots[kData].payload, object.payload);
}

TEST(Transfer, cancel_aborts_and_leaves_the_rest_for_later) {
  const SignedObject object = object_of(noise_bytes(200'000, 12));
  Rig rig;
  Transfer transfer(object.view(), into(kData));
  bool cancelled = false;
  rig.line->on_time = [&rig, &cancelled](Nanos) {
    if (!cancelled && rig.board.stored_chunks() > 3) rig.session->cancel();
    cancelled = rig.board.stored_chunks() > 3;
  };
  const auto done = rig.run(transfer, 460'800);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::interrupted);
  EXPECT_EQ(rig.board.aborts, 1U);
  EXPECT_FALSE(rig.board.receiving());
  const std::size_t stored = rig.board.stored_chunks();
  EXPECT_GT(stored, 3U);

  rig.board.reset();
  rig.plug();
  Transfer later(object.view(), into(kData));
  ASSERT_TRUE(rig.run(later, 460'800));
  EXPECT_EQ(later.report().there, stored);
  EXPECT_EQ(rig.board.slots[kData].payload, object.payload);
}

TEST(Transfer, survives_a_slow_flash_and_a_small_buffer) {
  SimBoard::Config config;
  config.chunk_time = 55ms;
  config.rx_bytes = 520;
  config.window = 2;
  const SignedObject object = object_of(noise_bytes(100'000, 13));
  Rig rig(config);
  Transfer transfer(object.view(), into(kData));
  const auto done = rig.run(transfer, 460'800);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(rig.board.slots[kData].payload, object.payload);
}

TEST(Transfer, progress_ends_at_the_whole) {
  const SignedObject object = object_of(noise_bytes(100'000, 14));
  Rig rig;
  TransferOptions options = into(kData);
  std::vector<TransferProgress> seen;
  options.progress = [&seen](const TransferProgress& progress) { seen.push_back(progress); };
  Transfer transfer(object.view(), options);
  ASSERT_TRUE(rig.run(transfer, 460'800));
  ASSERT_GE(seen.size(), 10U);
  EXPECT_EQ(seen.back().payload_done, object.payload.size());
  EXPECT_EQ(seen.back().chunks_done, 25U);
  EXPECT_LE(seen.back().effective_bps, seen.back().line_bps);
  EXPECT_LE(seen.back().line_bps, 46'080 * 1.01);
  for (std::size_t i = 1; i < seen.size(); ++i) EXPECT_GE(seen[i].payload_done, seen[i - 1].payload_done);
}

// Any line that lets something through carries everything, in a time that its losses explain.
RC_GTEST_PROP(TransferProperty, arrives_whole_over_any_line, ()) {
  SimBoard::Config board;
  board.window = *rc::gen::inRange<std::size_t>(1, 9);
  board.chunk_time = std::chrono::milliseconds(*rc::gen::elementOf(std::vector<int>{0, 0, 3, 50}));
  board.ack_delay = std::chrono::milliseconds(*rc::gen::inRange(0, 12));
  board.max_payload = static_cast<std::uint16_t>(*rc::gen::elementOf(std::vector<int>{512, 1000, 2048}));
  board.mode = *rc::gen::element(flash::Mode::bootloader, flash::Mode::application);
  SimLine::Config line;
  line.latency = std::chrono::milliseconds(*rc::gen::elementOf(std::vector<int>{0, 1, 16, 40}));
  const auto noise = [] {
    Noise made;
    made.flip_per_bit = *rc::gen::inRange(0, 3) * 1e-5;
    made.drop_per_byte = *rc::gen::inRange(0, 2) * 1e-3;
    made.repeat_per_byte = *rc::gen::inRange(0, 2) * 1e-3;
    return made;
  };
  line.up = noise();
  line.down = noise();
  line.seed = *rc::gen::arbitrary<std::uint32_t>();
  const std::size_t size = *rc::gen::inRange<std::size_t>(1, 60'000);
  const bool soft = *rc::gen::arbitrary<bool>();
  const SignedObject object = object_of(soft ? soft_bytes(size, line.seed) : noise_bytes(size, line.seed));
  const bool stalls = *rc::gen::arbitrary<bool>();
  const std::uint32_t baud = *rc::gen::elementOf(std::vector<std::uint32_t>{115'200, 460'800, 3'000'000});

  Rig rig(board, line);
  if (stalls) rig.line->stalls = {{900ms, 400ms}, {1700ms, 1200ms}};
  Transfer transfer(object.view(), into(kData));
  const auto done = rig.run(transfer, baud);
  if (!done) RC_FAIL(done.error().message());
  RC_ASSERT(rig.board.slots[kData].payload == object.payload);
  // Twice what half a line would take, flash and the rounds of requests.
  const double bound =
      static_cast<double>(size) * 10 / rig.rate * 6 +
      static_cast<double>(object.manifest.chunk_count) * std::chrono::duration<double>(board.chunk_time).count() * 4 +
      6;
  RC_ASSERT(transfer.report().data_seconds < bound);
}

}  // namespace
}  // namespace tml::flashlink::testing
