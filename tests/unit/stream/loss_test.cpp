// SPDX-License-Identifier: Apache-2.0
// Bytes in, account out: 1,000 seeded runs each for frames (loss reported exactly) and text (within one reading).
#include <gtest/gtest.h>

#include <cstdio>

#include "common/stream/pipeline.hpp"
#include "tests/support/arrival_model.hpp"
#include "tests/unit/stream/stream_bytes.hpp"

namespace tml::stream {
namespace {

using ::tml::test::Arrival;
using ::tml::test::ArrivalModel;
using ::tml::test::simulate;

constexpr std::uint64_t kRuns = 1000;

struct Result {
  Account total;
  std::vector<Reading> readings;
  std::uint64_t gap_sum = 0;
  std::uint64_t changes = 0;
  bool recognised = false;
};

template <class Encode>
Result run(const std::vector<Arrival>& arrivals, Encode encode, PipelineSettings settings = {}) {
  Pipeline pipeline(settings);
  Result out;
  const auto sink = [&out](const StreamEvent& event) {
    if (event.kind == StreamEvent::Kind::reading) out.readings.push_back(event.reading);
    if (event.kind == StreamEvent::Kind::gap) out.gap_sum += event.gap.count;
    if (event.kind == StreamEvent::Kind::rate_change) ++out.changes;
    if (event.kind == StreamEvent::Kind::recognised) out.recognised = true;
  };
  test::Blob bytes;
  for (std::size_t i = 0; i < arrivals.size(); ++i) {
    const test::Blob one = encode(arrivals[i]);
    bytes.insert(bytes.end(), one.begin(), one.end());
    if (i + 1 < arrivals.size() && arrivals[i + 1].at == arrivals[i].at) continue;
    pipeline.push(bytes, arrivals[i].at, sink);
    bytes.clear();
  }
  pipeline.finish(sink);
  out.total = pipeline.total();
  return out;
}

test::Blob line(const Arrival& arrival) {
  char text[64];
  std::snprintf(text, sizeof text, "%llu,%.3f,%s-7\r\n", static_cast<unsigned long long>(arrival.index),
                static_cast<double>(arrival.index) * 0.25, arrival.damaged ? "\x03" : "");
  const auto bytes = wire::as_bytes(std::string_view(text));
  return test::Blob(bytes.begin(), bytes.end());
}

std::set<std::uint64_t> choose_lost(SeededRandom& random, std::uint64_t readings, std::uint64_t events) {
  std::set<std::uint64_t> lost;
  for (std::uint64_t e = 0; e < events; ++e) {
    const std::uint64_t at = 12 + random.next_u64() % (readings - 40);
    const std::uint64_t count = 1 + random.next_u64() % 4;
    for (std::uint64_t k = 0; k < count; ++k) lost.insert(at + k);
  }
  return lost;
}

TEST(Loss, FramesExactlyOverAThousandRuns) {
  for (std::uint64_t seed = 0; seed < kRuns; ++seed) {
    SeededRandom random(seed);
    ArrivalModel model;
    model.rate_hz = 20 + random.next_unit() * 500;
    model.readings = 300;
    model.lost = choose_lost(random, model.readings, random.next_u64() % 8);
    model.damaged_share = 0.01;
    model.stall_at_s = random.next_unit();
    auto arrivals = simulate(model, seed);
    arrivals.front().damaged = false;
    arrivals.back().damaged = false;
    std::uint64_t damaged = 0;
    for (const Arrival& a : arrivals) damaged += a.damaged ? 1 : 0;
    const auto start = static_cast<std::uint32_t>(random.next_u64());
    const Result out = run(arrivals, [start](const Arrival& a) {
      auto bytes = test::frame(test::reading(start + static_cast<std::uint32_t>(a.index)));
      if (a.damaged) bytes[bytes.size() / 2] ^= std::byte{0x10};
      return bytes;
    });
    ASSERT_TRUE(out.recognised);
    ASSERT_EQ(out.total.missing, model.lost.size() + damaged) << seed;
    ASSERT_EQ(out.total.expected, model.readings) << seed;
    ASSERT_TRUE(out.total.consistent());
    ASSERT_EQ(out.readings.back().index, model.readings - 1) << seed;
  }
}

TEST(Loss, TextWithinOneReadingOverAThousandRuns) {
  std::uint64_t exact = 0;
  for (std::uint64_t seed = 0; seed < kRuns; ++seed) {
    SeededRandom random(seed);
    ArrivalModel model;
    model.rate_hz = std::pow(10.0, -1 + random.next_unit() * 2.4);  // 0.1 to 25 Hz.
    model.readings = 150;
    model.lost = choose_lost(random, model.readings, random.next_u64() % 6);
    model.damaged_share = 0.01;
    model.drift_ppm_per_s = random.next_unit() * 0.1;
    if (random.next_unit() < 0.5) model.stall_at_s = random.next_unit() * 150 / model.rate_hz;
    auto arrivals = simulate(model, seed);
    std::uint64_t damaged = 0;
    for (std::size_t i = 1; i < arrivals.size(); ++i) damaged += arrivals[i].damaged ? 1 : 0;
    arrivals.front().damaged = false;
    const Result out = run(arrivals, line, {StreamKind::text, false});
    const std::uint64_t injected = model.lost.size() + damaged;
    ASSERT_TRUE(out.total.consistent());
    EXPECT_LE(out.total.missing, injected + 1) << seed << " at " << model.rate_hz;
    EXPECT_GE(out.total.missing + 1, injected) << seed << " at " << model.rate_hz;
    bool placed = out.total.missing == injected;
    // The first value of each line is its true number.
    for (const Reading& r : out.readings) placed = placed && r.values.data[0] == static_cast<double>(r.index);
    exact += placed ? 1 : 0;
  }
  EXPECT_GE(exact, kRuns * 99 / 100);
}

TEST(Loss, TextAtHighRatesStaysWithinTheBound) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SeededRandom random(seed);
    ArrivalModel model;
    model.rate_hz = 60 + random.next_unit() * 1500;
    model.readings = static_cast<std::uint64_t>(model.rate_hz * 12);
    if (seed % 3 != 0) {
      const std::uint64_t at = model.readings / 2 + random.next_u64() % 100;
      const std::uint64_t count = 1 + random.next_u64() % 50;
      for (std::uint64_t k = 0; k < count; ++k) model.lost.insert(at + k);
    }
    model.stall_at_s = 2;
    auto arrivals = simulate(model, seed);
    const Result out = run(arrivals, line, {StreamKind::text, false});
    ASSERT_TRUE(out.total.consistent());
    const std::uint64_t most = out.total.missing - out.total.unresolved + out.total.unresolved_bound;
    EXPECT_LE(model.lost.size(), most) << seed << " at " << model.rate_hz << " reported " << out.total.missing;
    EXPECT_LE(out.total.missing, model.lost.size() + 2) << seed << " at " << model.rate_hz;
    EXPECT_EQ(out.changes, 0U) << seed << " at " << model.rate_hz;
  }
}

TEST(Loss, RecognisedTextLosesNoByte) {
  ArrivalModel model;
  model.readings = 500;
  const Result out = run(simulate(model, 3), line);
  EXPECT_TRUE(out.recognised);
  EXPECT_EQ(out.readings.size(), 499U);  // The first line may be partial.
  EXPECT_EQ(out.total.missing, 0U);
  EXPECT_NEAR(out.total.rate_hz, 100, 0.1);
}

TEST(Loss, TwentyKilohertzOfBatches) {
  ArrivalModel model;
  model.rate_hz = 20'000.0 / 64;
  model.readings = 20'000 / 64 * 8;
  model.lost = {500, 501};
  const std::vector<std::byte> data(64 * 2);
  const Result out = run(simulate(model, 5), [&data](const Arrival& a) {
    wire::SensorBatch batch;
    batch.seq = static_cast<std::uint32_t>(a.index * 64);
    batch.period_us = 50;
    batch.count = 64;
    batch.channels = 1;
    batch.data = data;
    return test::frame(batch);
  });
  EXPECT_EQ(out.total.missing, 128U);
  EXPECT_NEAR(out.total.rate_hz, 20'000, 20);
}

}  // namespace
}  // namespace tml::stream
