// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/sensor_stream.hpp"

#include "tests/unit/wire/support.hpp"

namespace tml::wire {
namespace {

using test::Bytes;

template <class Item>
Bytes framed(const Item& item, bool crc = true) {
  Bytes cbor(kMaxStreamCbor);
  const auto body = encode_stream_item(item, cbor);
  EXPECT_TRUE(body) << (body ? "" : errc_name(body.error()));
  Bytes out(cobs_max_encoded(kMaxStreamFrame) + 1);
  const auto frame = encode_stream_frame(body.value_or(std::span<const std::byte>{}), crc, out);
  EXPECT_TRUE(frame);
  return Bytes(frame->begin(), frame->end());
}

SessionInfo info_example() {
  SessionInfo info;
  info.sid = 0x12345678;
  info.hz = 100;
  info.channels = 3;
  info.channel_names[0] = "x";
  info.channel_names[1] = "y";
  info.channel_names[2] = "z";
  info.channel_name_count = 3;
  info.st = 1;
  info.dropped = 7;
  info.name = "accel";
  return info;
}

const Bytes& batch_bytes() {
  static const Bytes kBytes = test::unhex("00000200feff0080");
  return kBytes;
}

SensorBatch batch_example() {
  SensorBatch batch;
  batch.seq = 1000;
  batch.ts_ms = 62;
  batch.period_us = 62;
  batch.count = 4;
  batch.channels = 1;
  batch.scale = 0.5F;
  batch.data = batch_bytes();
  return batch;
}

TEST(SensorStream, GoldenFrames) {
  EXPECT_EQ(test::hex(framed(info_example())), test::golden_value("frames.txt", "si"));
  EXPECT_EQ(test::hex(framed(info_example(), false)), test::golden_value("frames.txt", "si_no_crc"));
  EXPECT_EQ(test::hex(framed(batch_example())), test::golden_value("frames.txt", "sb_i16"));
  SensorReading reading;
  reading.seq = UINT32_MAX;
  reading.ts_ms = 40;
  reading.values = {-9.81, 0.03, 1.21};
  reading.count = 3;
  EXPECT_EQ(test::hex(framed(reading)), test::golden_value("frames.txt", "sd_f32"));
  reading.seq = 5;
  reading.ts_ms = 50;
  reading.integers = true;
  EXPECT_EQ(test::hex(framed(reading)), test::golden_value("frames.txt", "sd_i32"));
}

TEST(SensorStream, ReaderGivesItemsAndCounts) {
  Bytes memory(kMaxStreamFrame);
  StreamFrameReader reader(memory);
  Bytes stream = test::unhex("1234567800");
  for (const auto* name : {"si", "si_no_crc", "sd_i32", "sb_i16"}) {
    const Bytes frame = test::unhex(test::golden_value("frames.txt", name));
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  std::string seen;
  for (const auto byte : stream) {
    if (reader.push(byte) != StreamFrameReader::Event::item) continue;
    if (const auto* info = std::get_if<SessionInfo>(&reader.item())) {
      seen += reader.checked() ? "si " : "si? ";
      EXPECT_EQ(info->sid, 0x12345678U);
      EXPECT_EQ(info->channel_names[2], "z");
      EXPECT_EQ(info->name, "accel");
      EXPECT_EQ(info->dropped, 7U);
    } else if (const auto* reading = std::get_if<SensorReading>(&reader.item())) {
      seen += "sd ";
      EXPECT_TRUE(reading->integers);
      EXPECT_DOUBLE_EQ(reading->values[0], -9.81);
    } else if (const auto* batch = std::get_if<SensorBatch>(&reader.item())) {
      seen += "sb ";
      EXPECT_EQ(batch->value(1), 1.0);
      EXPECT_EQ(batch->value(3), -16384.0);
    }
  }
  EXPECT_EQ(seen, "si si? sd sb ");
  EXPECT_EQ(reader.counters().frames, 4U);
  EXPECT_EQ(reader.counters().unchecked, 1U);
  EXPECT_EQ(reader.counters().errors, 1U);
}

TEST(SensorStream, EveryFlippedBitIsSeen) {
  const Bytes good = framed(batch_example());
  for (std::size_t i = 0; i + 1 < good.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes bad = good;
      bad[i] ^= static_cast<std::byte>(1U << bit);
      Bytes memory(kMaxStreamFrame);
      StreamFrameReader reader(memory);
      for (const auto byte : bad) {
        // A flip that makes a zero cuts the frame in two; neither half may pass for checked data.
        if (reader.push(byte) == StreamFrameReader::Event::item) EXPECT_FALSE(reader.checked()) << i << " " << bit;
      }
      EXPECT_GE(reader.counters().errors + reader.counters().unchecked, 1U);
      for (const auto byte : good) (void)reader.push(byte);
      EXPECT_TRUE(reader.checked()) << "the next good frame is read";
    }
  }
}

Errc refused(std::string_view hex_text) {
  const auto item = decode_stream_item(test::unhex(hex_text));
  EXPECT_FALSE(item) << hex_text;
  return item ? Errc::bad_state : item.error();
}

TEST(SensorStream, Refusals) {
  EXPECT_EQ(refused("a0"), Errc::malformed);
  EXPECT_EQ(refused("01"), Errc::malformed);
  EXPECT_EQ(refused("a261746278786164a0"), Errc::unsupported);
  EXPECT_EQ(refused("a26174627364616401"), Errc::malformed);
  EXPECT_EQ(refused("a261746273646164a0"), Errc::malformed) << "required keys are missing";
  EXPECT_EQ(refused("a261746273646164a163736571"), Errc::truncated);
  EXPECT_EQ(refused("a261746273646164a2637365711bffffffffffffffff6274730a"), Errc::malformed) << "seq beyond 32 bits";
  EXPECT_EQ(refused("a261746278786164a000"), Errc::malformed) << "bytes behind the item";
}

TEST(SensorStream, BatchRoundTrips) {
  EXPECT_TRUE(rc::check([](std::uint32_t seq, std::uint32_t ts, const std::vector<std::int16_t>& values) {
    RC_PRE(!values.empty() && values.size() <= 1000);
    Bytes data;
    for (const auto value : values) {
      data.push_back(static_cast<std::byte>(static_cast<std::uint16_t>(value) & 0xFFU));
      data.push_back(static_cast<std::byte>(static_cast<std::uint16_t>(value) >> 8U));
    }
    SensorBatch batch = batch_example();
    batch.seq = seq;
    batch.ts_ms = ts;
    batch.count = static_cast<std::uint16_t>(values.size());
    batch.scale = 1;
    batch.data = data;
    Bytes memory(kMaxStreamFrame);
    StreamFrameReader reader(memory);
    bool seen = false;
    for (const auto byte : framed(batch)) {
      if (reader.push(byte) != StreamFrameReader::Event::item) continue;
      seen = true;
      const auto& back = std::get<SensorBatch>(reader.item());
      RC_ASSERT(back.seq == seq);
      RC_ASSERT(back.ts_ms == ts);
      for (std::size_t i = 0; i < values.size(); ++i) RC_ASSERT(back.value(i) == values[i]);
    }
    RC_ASSERT(seen);
    RC_ASSERT(reader.checked());
  }));
}

TEST(SensorStream, WriterRefusesInconsistentItems) {
  Bytes out(kMaxStreamCbor);
  SensorBatch batch = batch_example();
  batch.count = 5;
  EXPECT_EQ(encode_stream_item(batch, out).error(), Errc::malformed);
  EXPECT_EQ(encode_stream_item(SensorReading{}, out).error(), Errc::malformed);
  EXPECT_EQ(encode_stream_item(SessionInfo{}, out).error(), Errc::malformed);
  EXPECT_EQ(encode_stream_item(batch_example(), std::span(out).first(20)).error(), Errc::overflow);
  EXPECT_EQ(encode_stream_frame({}, true, out).error(), Errc::limit);
}

}  // namespace
}  // namespace tml::wire
