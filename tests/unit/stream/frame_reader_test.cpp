// SPDX-License-Identifier: Apache-2.0
#include "common/stream/frame_reader.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <set>
#include <string>

#include "tests/unit/stream/stream_bytes.hpp"

namespace tml::stream {
namespace {

using test::Blob;
using test::frame;
using test::info;
using test::join;
using test::reading;
using Kind = FrameEvent::Kind;

/// "r5" reading 5, "g5+2" gap of 2 at 5, "s" session, "R5" reboot, "d3" drops, "!" bad, "=" duplicate.
std::string trace(FrameReader& reader, const Blob& bytes) {
  std::string out;
  reader.push(bytes, Time{0}, [&out](const FrameEvent& event) {
    if (!out.empty()) out += ' ';
    switch (event.kind) {
      case Kind::reading:
        out += "r" + std::to_string(event.index);
        break;
      case Kind::gap:
        out += "g" + std::to_string(event.index) + "+" + std::to_string(event.count);
        break;
      case Kind::session:
        out += "s";
        break;
      case Kind::reboot:
        out += "R" + std::to_string(event.index);
        break;
      case Kind::drops:
        out += "d" + std::to_string(event.count);
        break;
      case Kind::bad_frame:
        out += "!";
        break;
      case Kind::duplicate:
        out += "=";
        break;
    }
  });
  return out;
}

std::string trace(const Blob& bytes) {
  FrameReader reader;
  return trace(reader, bytes);
}

TEST(FrameReader, SessionReadingsAndNames) {
  FrameReader reader;
  EXPECT_EQ(trace(reader, join({frame(info(7)), frame(test::reading(0)), frame(test::reading(1), false)})), "s r0 r1");
  EXPECT_EQ(reader.axes(), 2U);
  EXPECT_EQ(reader.names(), (std::vector<std::string>{"accX", "accY"}));
  EXPECT_EQ(reader.stated_hz(), 100);
  EXPECT_EQ(reader.counters().unchecked, 1U);
}

TEST(FrameReader, GapsAreExact) {
  EXPECT_EQ(trace(join({frame(reading(10)), frame(reading(11)), frame(reading(14)), frame(reading(15))})),
            "r0 r1 g2+2 r4 r5");
}

TEST(FrameReader, SeqWraps) {
  EXPECT_EQ(trace(join({frame(reading(0xFFFFFFFE)), frame(reading(0xFFFFFFFF)), frame(reading(1))})), "r0 r1 g2+1 r3");
}

TEST(FrameReader, DamageIsAGapOnceTheNextFrameComes) {
  Blob second = frame(reading(1));
  second[6] ^= std::byte{0x04};
  EXPECT_EQ(trace(join({frame(reading(0)), second, frame(reading(2))})), "r0 ! g1+1 r2");
}

TEST(FrameReader, ResendRebootAndDrops) {
  FrameReader reader;
  EXPECT_EQ(trace(reader,
                  join({frame(info(7)), frame(test::reading(0)), frame(info(7)), frame(info(7, 3)),
                        frame(test::reading(1)), frame(info(8, 2)), frame(test::reading(0)), frame(test::reading(2))})),
            "s r0 d3 r1 R2 r2 g3+1 r4");
  EXPECT_EQ(reader.counters().board_drops, 5U);
  EXPECT_EQ(reader.counters().reboots, 1U);
}

TEST(FrameReader, UnannouncedRestartIsBelievedAfterAFewFrames) {
  FrameReader reader;
  Blob bytes = join({frame(test::reading(1000)), frame(test::reading(1001))});
  for (std::uint32_t i = 0; i < 6; ++i) bytes = join({bytes, frame(test::reading(i))});
  EXPECT_EQ(trace(reader, bytes), "r0 r1 = = = R2 r2 r3 r4");
}

TEST(FrameReader, AWildSeqWithoutCrcIsNotBelieved) {
  EXPECT_EQ(trace(join({frame(reading(0)), frame(reading(1U << 20U), false), frame(reading(2))})), "r0 ! g1+1 r2");
  EXPECT_EQ(trace(join({frame(reading(0)), frame(reading(1U << 20U))})), "r0 g1+1048575 r1048576");
}

TEST(FrameReader, Batches) {
  const std::array<std::byte, 12> data = {std::byte{1}, std::byte{0}, std::byte{2},    std::byte{0},
                                          std::byte{3}, std::byte{0}, std::byte{4},    std::byte{0},
                                          std::byte{5}, std::byte{0}, std::byte{0xFF}, std::byte{0xFF}};
  wire::SensorBatch batch;
  batch.seq = 5;
  batch.ts_ms = 50;
  batch.period_us = 625;
  batch.count = 3;
  batch.channels = 2;
  batch.scale = 0.5F;
  batch.data = data;
  FrameReader reader;
  std::vector<double> values;
  std::vector<std::uint64_t> times;
  reader.push(frame(batch), Time{0}, [&](const FrameEvent& event) {
    for (const double v : event.values.view()) values.push_back(v);
    times.push_back(event.board_time_us);
  });
  EXPECT_EQ(values, (std::vector<double>{0.5, 1, 1.5, 2, 2.5, -0.5}));
  EXPECT_EQ(times, (std::vector<std::uint64_t>{50'000, 50'625, 51'250}));
  batch.seq = 10;
  EXPECT_EQ(trace(reader, frame(batch)), "g3+2 r5 r6 r7");
  batch.seq = 12;  // Overlaps by one.
  EXPECT_EQ(trace(reader, frame(batch)), "r8 r9");
}

TEST(FrameReader, LossEqualsAccountForAnyLoss) {
  EXPECT_TRUE(rc::check("frames dropped or damaged at random", [] {
    const auto start = *rc::gen::arbitrary<std::uint32_t>();
    const auto fate = *rc::gen::container<std::vector<int>>(200, rc::gen::inRange(0, 12));
    FrameReader reader;
    std::uint64_t last = 0;
    std::set<std::uint64_t> missing;
    for (std::uint32_t i = 0; i < fate.size(); ++i) {
      const bool bad = i > 0 && fate[i] == 1;
      const bool lost = i > 0 && i + 1 < fate.size() && fate[i] == 0;
      if (lost) {
        missing.insert(i);
        continue;
      }
      Blob bytes = frame(test::reading(start + i));
      if (bad && i + 1 < fate.size()) {
        bytes[8] ^= std::byte{0x20};
        if (bytes[8] == std::byte{0}) bytes[8] = std::byte{1};
        missing.insert(i);
      }
      reader.push(bytes, Time{0}, [&](const FrameEvent& event) {
        if (event.kind == Kind::reading) last = event.index;
        if (event.kind != Kind::gap) return;
        for (std::uint64_t k = 0; k < event.count; ++k) RC_ASSERT(missing.contains(event.index + k));
      });
    }
    RC_ASSERT(last == fate.size() - 1);
    RC_ASSERT(reader.counters().missing == missing.size());
  }));
}

}  // namespace
}  // namespace tml::stream
