// SPDX-License-Identifier: Apache-2.0
#include "forwarder/sampler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/json.hpp"
#include "common/base/spawn.hpp"
#include "common/sample/signature.hpp"
#include "tests/support/run_on.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/unit/forwarder/fake_source.hpp"

namespace tml::forwarder {
namespace {

using ::testing::HasSubstr;

/// A station that a test feeds, with a real spool behind it.
class SamplerTest : public ::testing::Test {
 protected:
  SamplerTest() {
    auto opened = context.open_spool();
    EXPECT_TRUE(opened);
    spool = *std::move(opened);
  }

  void start(double stated_hz = 100, std::vector<std::string> axes = {"count", "b", "c"}) {
    auto fake = std::make_unique<FakeSource>(io.get_executor());
    source = fake.get();
    StationSettings settings;
    settings.name = "fake";
    settings.frequency_hz = stated_hz;
    settings.axes = std::move(axes);
    settings.reopen_every = Millis{1};
    station = std::make_shared<Station>(io.get_executor(), context.clock, std::move(fake), std::move(settings));
    auto run = [](std::shared_ptr<Station> all, Result<void>& ended, bool& over) -> Awaitable<void> {
      ended = co_await all->run();
      over = true;
    };
    spawn_logged(io.get_executor(), run(station, station_result, station_over), "station");
    io.poll();
  }

  void make_collector(CollectorSettings settings = {}) {
    collector = std::make_unique<Collector>(context, *spool, settings, [] {});
  }

  void launch(SamplerSettings settings) {
    if (!collector) make_collector();
    settings.label = "walk";
    settings.show_progress = false;
    sampler = std::make_unique<Sampler>(context, station, *collector, std::move(settings));
    auto run = [](Sampler& all, std::optional<Result<void>>& ended) -> Awaitable<void> { ended = co_await all.run(); };
    spawn_logged(io.get_executor(), run(*sampler, result), "sampler");
    io.poll();
  }

  /// Until the sampler has ended.
  void finish() {
    while (!result) io.run_one();
  }
  void wait_stored(std::uint64_t count) {
    while (sampler->counters().stored < count) io.run_one();
  }

  void TearDown() override {
    if (collector) collector->stop();
    if (sampler && !result) {
      sampler->stop();
      finish();
    }
    if (station && !station_over) {
      station->stop();
      while (!station_over) io.run_one();
    }
    sampler.reset();
  }

  std::vector<spool::EntryInfo> entries() {
    auto list = [](spool::Spool& store) { return store.list(); };
    return *test::run_on(io, spool->run(std::move(list)));
  }
  Json document(const spool::EntryInfo& entry) {
    auto read = [envelope = entry.envelope](spool::Spool& store) { return store.payload(envelope); };
    return *parse_json(*test::run_on(io, spool->run(std::move(read))), "payload", {16, 1'000'000, 1U << 24U});
  }
  std::vector<int> counts(const spool::EntryInfo& entry) {
    std::vector<int> all;
    const Json whole = document(entry);
    for (const Json& row : whole["payload"]["values"]) all.push_back(row[0].get<int>());
    return all;
  }

  test::TempDir folder;
  boost::asio::io_context io;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  cli::Reporter reporter{{"test", false, true, false}};
  tool::Context context{
      io, {}, {{folder / "config.toml", folder / "state"}, Settings{}, *endpoints_for("127.0.0.1")}, reporter};
  std::unique_ptr<spool::AsyncSpool> spool;
  std::unique_ptr<Collector> collector;
  FakeSource* source = nullptr;
  std::shared_ptr<Station> station;
  std::unique_ptr<Sampler> sampler;
  std::optional<Result<void>> result;
  Result<void> station_result;
  bool station_over = false;
};

SamplerSettings labelled(std::uint64_t length_ms, std::uint64_t repeat, std::uint64_t rest_ms = 0) {
  SamplerSettings settings;
  settings.length_ms = length_ms;
  settings.repeat = repeat;
  settings.rest_ms = rest_ms;
  return settings;
}

std::vector<int> range(int first, int count) {
  std::vector<int> all(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) all[static_cast<std::size_t>(i)] = first + i;
  return all;
}

TEST_F(SamplerTest, RepeatWithARest) {
  start();
  launch(labelled(500, 3, 100));
  source->lines(600, 3, 100);
  finish();
  ASSERT_TRUE(*result) << result->error().message();
  const auto all = entries();
  ASSERT_EQ(all.size(), 3U);
  const int first = counts(all[0]).front();
  EXPECT_EQ(counts(all[0]), range(first, 50));
  EXPECT_EQ(counts(all[1]), range(first + 60, 50));
  EXPECT_EQ(counts(all[2]), range(first + 120, 50));
  EXPECT_EQ(all[0].label, "walk");
  EXPECT_EQ(all[0].file_name, "walk.json");
  EXPECT_EQ(all[0].path, "/api/training/data");
  EXPECT_EQ(document(all[0])["payload"]["interval_ms"], 10);
  EXPECT_EQ(document(all[0])["protected"]["alg"], "none");
}

TEST_F(SamplerTest, ContinuousWithOverlapAndTheLastOneCutShort) {
  start();
  SamplerSettings settings;
  settings.way = Way::continuous;
  settings.repeat = 0;
  settings.length_ms = 500;
  settings.overlap_ms = 100;
  settings.hmac_key = [](const std::string&) { return "0123456789abcdef"; };
  launch(std::move(settings));
  source->lines(300, 3, 100);
  source->lose();
  wait_stored(8);
  const auto all = entries();
  ASSERT_EQ(all.size(), 8U);
  const int first = counts(all[0]).front();
  for (int i = 0; i < 7; ++i) EXPECT_EQ(counts(all[static_cast<std::size_t>(i)]), range(first + i * 40, 50)) << i;
  EXPECT_EQ(counts(all.back()).front(), first + 280);
  EXPECT_EQ(counts(all.back()).back(), 299);
  EXPECT_EQ(all[0].verification, sample::Verification::verified);
}

TEST_F(SamplerTest, ALabelledSampleThatIsInterruptedIsAbandonedAndTakenAgain) {
  start();
  launch(labelled(1000, 2));
  source->lines(150, 3, 100);
  source->lose();
  while (sampler->counters().abandoned == 0) io.run_one();
  EXPECT_EQ(sampler->counters().windows, 1U);
  while (!station->is_open()) io.run_one();
  source->lines(400, 3, 100);
  finish();
  ASSERT_TRUE(*result) << result->error().message();
  EXPECT_EQ(entries().size(), 2U);
}

TEST_F(SamplerTest, ATriggerWithWhatCameBefore) {
  start();
  SamplerSettings settings;
  settings.way = Way::triggered;
  settings.length_ms = 200;
  settings.before_ms = 50;
  settings.trigger = "count == 150";
  settings.repeat = 1;
  launch(std::move(settings));
  source->lines(400, 3, 100);
  finish();
  ASSERT_TRUE(*result) << result->error().message();
  const auto all = entries();
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(counts(all[0]), range(145, 20));
}

TEST_F(SamplerTest, ATriggerThatNamesNoAxis) {
  start();
  SamplerSettings settings;
  settings.way = Way::triggered;
  settings.length_ms = 200;
  settings.trigger = "depth > 1";
  launch(std::move(settings));
  source->lines(300, 3, 100);
  finish();
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().code, Errc::usage);
  EXPECT_THAT(result->error().where, HasSubstr("--trigger"));
}

TEST_F(SamplerTest, NothingReceivedIsATimeOutThatSaysSo) {
  start();
  SamplerSettings settings = labelled(100, 1);
  settings.start_patience = Millis{1};
  launch(std::move(settings));
  finish();
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().code, Errc::timeout);
  EXPECT_THAT(result->error().message(), HasSubstr("nothing was received"));
}

TEST_F(SamplerTest, AStatedFrequencyThatTheFitContradicts) {
  start(80);
  launch(labelled(100'000, 1));
  source->lines(700, 3, 100);
  finish();
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().code, Errc::usage);
  EXPECT_THAT(result->error().message(), HasSubstr("80"));
  EXPECT_THAT(result->error().message(), HasSubstr("100"));
}

TEST_F(SamplerTest, NamesThatDoNotFit) {
  start(100, {"a", "b"});
  launch(labelled(100, 1));
  source->lines(300, 3, 100);
  finish();
  ASSERT_FALSE(*result);
  EXPECT_EQ(result->error().code, Errc::usage);
  EXPECT_EQ(result->error().where, "--axes");
}

TEST_F(SamplerTest, DropNewest) {
  make_collector({false, 5000, WhenFull::drop_newest});
  start();
  launch(labelled(500, 8));
  source->lines(600, 3, 100);
  finish();
  EXPECT_EQ(sampler->counters().stored + sampler->counters().dropped, 8U);
  EXPECT_GT(sampler->counters().dropped, 0U);
  const auto all = entries();
  EXPECT_EQ(all.size(), sampler->counters().stored);
  std::uint64_t bytes = 0;
  for (const auto& entry : all) bytes += entry.size_bytes;
  EXPECT_LE(bytes, 5000U);
}

TEST_F(SamplerTest, DropOldestKeepsTheNewest) {
  make_collector({false, 5000, WhenFull::drop_oldest});
  start();
  launch(labelled(500, 8));
  source->lines(600, 3, 100);
  finish();
  ASSERT_TRUE(*result);
  EXPECT_EQ(sampler->counters().stored, 8U);
  const auto all = entries();
  EXPECT_EQ(all.size() + collector->counters().dropped_oldest, 8U);
  EXPECT_GT(collector->counters().dropped_oldest, 0U);
  EXPECT_EQ(counts(all.back()).back() - counts(all.front()).front() + 1, static_cast<int>(all.size()) * 50);
}

TEST_F(SamplerTest, BlockCountsWhatItDoesNotCaptureAndGoesOn) {
  make_collector({false, 3000, WhenFull::block});
  start();
  launch(labelled(500, 20));
  // Two fit; a third waits for room, and while it does nothing new begins.
  source->lines(500, 3, 100);
  while (!collector->full()) io.run_one();
  source->lines(200, 3, 100);
  EXPECT_GT(sampler->counters().not_captured, 0U);
  const auto before = entries();
  ASSERT_FALSE(before.empty());
  EXPECT_LT(before.size(), 20U);
  // Delivered: there is room again, and the rest is taken from what comes then.
  for (int i = 0; !result && i < 500; ++i) {
    for (const auto& entry : entries()) {
      auto gone = [envelope = entry.envelope](spool::Spool& store) { return store.mark_delivered(envelope); };
      ASSERT_TRUE(test::run_on(io, spool->run(std::move(gone))));
    }
    while (!result && collector->full()) io.run_one();
    source->lines(100, 3, 100);
    for (int turn = 0; turn < 20 && !result; ++turn) io.poll();
  }
  finish();
  ASSERT_TRUE(*result) << result->error().message();
  EXPECT_EQ(sampler->counters().stored, 20U);
  EXPECT_EQ(sampler->counters().dropped, 0U);
}

TEST_F(SamplerTest, RoomInTheSpoolEndsTheBlockOfEveryInput) {
  make_collector({false, 3000, WhenFull::block});
  start();
  launch(labelled(500, 4));
  auto fake = std::make_unique<FakeSource>(io.get_executor());
  FakeSource* const other_source = fake.get();
  StationSettings settings;
  settings.name = "other";
  settings.frequency_hz = 100;
  settings.axes = {"count", "b", "c"};
  const auto other = std::make_shared<Station>(io.get_executor(), context.clock, std::move(fake), std::move(settings));
  bool other_over = false;
  auto serve = [](std::shared_ptr<Station> all, bool& over) -> Awaitable<void> {
    static_cast<void>(co_await all->run());
    over = true;
  };
  spawn_logged(io.get_executor(), serve(other, other_over), "other");
  io.poll();
  SamplerSettings two = labelled(500, 1);
  two.label = "run";
  two.show_progress = false;
  Sampler other_sampler(context, other, *collector, std::move(two));
  std::optional<Result<void>> other_result;
  auto run = [](Sampler& all, std::optional<Result<void>>& ended) -> Awaitable<void> { ended = co_await all.run(); };
  spawn_logged(io.get_executor(), run(other_sampler, other_result), "other sampler");
  io.poll();
  // The first input's sample waits; the second has none that could wait, and must be told of the room all the same.
  source->lines(250, 3, 100);
  while (!collector->full()) io.run_one();
  other_source->lines(250, 3, 100);
  EXPECT_GT(other_sampler.counters().not_captured, 0U);
  for (int i = 0; i < 100 && (!result || !other_result); ++i) {
    for (const auto& entry : entries()) {
      auto gone = [envelope = entry.envelope](spool::Spool& store) { return store.mark_delivered(envelope); };
      ASSERT_TRUE(test::run_on(io, spool->run(std::move(gone))));
    }
    while (collector->full()) io.run_one();
    if (!result) source->lines(60, 3, 100);
    if (!other_result) other_source->lines(60, 3, 100);
    for (int turn = 0; turn < 20; ++turn) io.poll();
  }
  EXPECT_TRUE(other_result.has_value());
  EXPECT_EQ(other_sampler.counters().stored, 1U);
  other_sampler.stop();
  collector->stop();
  while (!other_result) io.run_one();
  other->stop();
  while (!other_over) io.run_one();
}

TEST_F(SamplerTest, BytesThatWereLostJoinNoLines) {
  start();
  launch(labelled(4000, 1));
  source->lines(300, 3, 100);
  source->torn_lines();
  source->lines(300, 3, 100);
  finish();
  ASSERT_TRUE(*result) << result->error().message();
  EXPECT_EQ(station->status().bad_lines, 1U);
  for (const int count : counts(entries().front())) EXPECT_LT(count, 600);
}

TEST_F(SamplerTest, TakeWaitsForReadingsFromNowOn) {
  start();
  make_collector();
  source->lines(300, 3, 100);
  SampleOrder order;
  order.label = "wave hand";
  order.length_ms = 300;
  order.category = sample::Category::testing;
  order.hmac_key = "0123456789abcdef";
  std::optional<Result<Stored>> taken;
  std::vector<TakeProgress::Step> steps;
  auto run = [](std::shared_ptr<Station> from, Collector& into, SampleOrder what, std::vector<TakeProgress::Step>& seen,
                std::optional<Result<Stored>>& out) -> Awaitable<void> {
    auto observer = [&seen](const TakeProgress& progress) { seen.push_back(progress.step); };
    out = co_await take(std::move(from), into, std::move(what), observer);
  };
  spawn_logged(io.get_executor(), run(station, *collector, order, steps, taken), "take");
  io.poll();
  while (steps.empty()) io.run_one();
  EXPECT_EQ(steps.front(), TakeProgress::Step::sampling);
  // The source's times are long past: none of its readings was taken after the call.
  source->lines(300, 3, 100);
  for (int turn = 0; turn < 20; ++turn) io.poll();
  EXPECT_FALSE(taken);
  station->stop();
  while (!taken) io.run_one();
  ASSERT_FALSE(*taken);
  EXPECT_EQ(taken->error().code, Errc::interrupted);
}

}  // namespace
}  // namespace tml::forwarder
