// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The bytes of a stream: lines that read back as the same floats, frames under the reader that hosts use.
#include "firmware/app/stream_encoder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "tests/support/fw_fakes.hpp"

namespace tml::fw::app {
namespace {

constexpr hal::SensorInfo kAccel{"Built-in accelerometer", test::kAccelAxes, test::kAccelRates, 300,
                                 hal::SampleForm::rows};
constexpr hal::SensorInfo kAudio{"Built-in microphone", test::kAudioAxes, test::kAudioRates, 60,
                                 hal::SampleForm::i16_audio};
constexpr hal::SensorInfo kWarmth{"Environmental", test::kTemperatureAxes, test::kSlowRates, 300,
                                  hal::SampleForm::rows};

std::vector<float> numbers(std::string_view line) {
  std::vector<float> out;
  const std::string text(line);
  const char* at = text.c_str();
  while (*at != '\r' && *at != '\0') {
    char* end = nullptr;
    out.push_back(std::strtof(at, &end));
    if (end == at) break;
    at = *end == ',' ? end + 1 : end;
  }
  return out;
}

struct Item {
  wire::StreamItem item;
  std::vector<std::byte> data;  // what a batch points to
};

std::vector<Item> items(std::string_view bytes, bool crc = true) {
  std::vector<Item> out;
  std::vector<std::byte> memory(wire::kMaxStreamFrame);
  wire::StreamFrameReader reader(memory);
  for (const char c : bytes) {
    const auto event = reader.push(static_cast<std::byte>(c));
    EXPECT_NE(event, wire::StreamFrameReader::Event::error);
    if (event != wire::StreamFrameReader::Event::item) continue;
    EXPECT_EQ(reader.checked(), crc);
    Item& item = out.emplace_back(Item{reader.item(), {}});
    if (auto* const batch = std::get_if<wire::SensorBatch>(&item.item)) {
      item.data.assign(batch->data.begin(), batch->data.end());
      batch->data = item.data;
    }
  }
  return out;
}

TEST(StreamEncoder, TextIsAHeaderAndLines) {
  StreamEncoder encoder;
  encoder.begin(kAccel, StreamForm::text, 100, 1);
  EXPECT_EQ(encoder.session(0), "accX,accY,accZ\r\n");
  EXPECT_EQ(encoder.capacity(), 1U);
  EXPECT_EQ(encoder.encode(), "");
  encoder.add(0, 10, std::array{1.5F, -0.0625F, 1e20F});
  EXPECT_TRUE(encoder.full());
  EXPECT_EQ(encoder.encode(), "1.5,-0.0625,1e20\r\n");
  EXPECT_EQ(encoder.kept(), 0U);
  encoder.add(1, 20, std::array{1.0F, std::nanf(""), 2.0F});
  EXPECT_EQ(encoder.encode(), "1,nan,2\r\n");
  encoder.begin(kAudio, StreamForm::text, 16000, 1);
  encoder.add(0, 0, std::int16_t{-32768});
  EXPECT_EQ(encoder.encode(), "-32768\r\n");
}

RC_GTEST_PROP(StreamEncoder, EveryFloatReadsBackFromText, (const std::vector<std::uint32_t>& bits)) {
  StreamEncoder encoder;
  encoder.begin(kAccel, StreamForm::text, 100, 1);
  for (std::size_t i = 0; i + 3 <= bits.size(); i += 3) {
    std::array<float, 3> row{};
    for (std::size_t a = 0; a < 3; ++a) {
      row[a] = std::bit_cast<float>(bits[i + a] * 2'654'435'761U);
      if (!std::isfinite(row[a])) row[a] = 0;
    }
    encoder.add(0, 0, row);
    const auto read = numbers(encoder.encode());
    RC_ASSERT(read.size() == 3U);
    for (std::size_t a = 0; a < 3; ++a) RC_ASSERT(read[a] == row[a]);
  }
}

TEST(StreamEncoder, FramesAreWhatTheReferenceSays) {
  StreamEncoder encoder;
  encoder.begin(kWarmth, StreamForm::frames, 12.5, 0xDEADBEEF);
  auto read = items(encoder.session(7));
  ASSERT_EQ(read.size(), 1U);
  const auto& info = std::get<wire::SessionInfo>(read[0].item);
  EXPECT_EQ(info.sid, 0xDEADBEEFU);
  EXPECT_EQ(info.hz, 13);
  EXPECT_EQ(info.channels, 1);
  EXPECT_EQ(info.channel_names[0].view(), "tempe");
  EXPECT_EQ(info.dropped, 7U);
  EXPECT_EQ(info.name.view(), "Environmental");

  encoder.add(0xFFFFFFFF, 80, std::array{21.5F});
  read = items(encoder.encode());
  ASSERT_EQ(read.size(), 1U);
  const auto& reading = std::get<wire::SensorReading>(read[0].item);
  EXPECT_EQ(reading.seq, 0xFFFFFFFFU);
  EXPECT_EQ(reading.ts_ms, 80U);
  EXPECT_FALSE(reading.integers);
  EXPECT_EQ(reading.values[0], 21.5);

  encoder.begin(kWarmth, StreamForm::frames, 12.5, 1, false);
  encoder.add(0, 0, std::array{1.0F});
  EXPECT_EQ(items(encoder.encode(), false).size(), 1U);
}

std::vector<std::string> names_in_frames(const std::vector<std::string>& names) {
  std::vector<hal::Axis> axes;
  for (const std::string& name : names) axes.push_back({name, "m/s2"});
  const hal::SensorInfo sensor{"Test", axes, test::kSlowRates, 300, hal::SampleForm::rows};
  StreamEncoder encoder;
  encoder.begin(sensor, StreamForm::frames, 1, 1);
  const auto read = items(encoder.session(0));
  const auto& info = std::get<wire::SessionInfo>(read.at(0).item);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < info.channel_name_count; ++i) out.emplace_back(info.channel_names[i].view());
  return out;
}

TEST(StreamEncoder, ShortenedNamesStayDistinct) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(names_in_frames({"temperature", "humidity", "x"}), (Names{"tempe", "humid", "x"}));
  EXPECT_EQ(names_in_frames({"accelX", "accelY", "accelZ"}), (Names{"acceX", "acceY", "acceZ"}));
  EXPECT_EQ(names_in_frames({"accel", "accelX"}), (Names{"accel", "acceX"}));
  EXPECT_EQ(names_in_frames({"channelA1", "channelB1"}), (Names{"chan1", "cha02"}));
  EXPECT_EQ(names_in_frames({"cha02", "channelA1", "channelB1", "chan1"}), (Names{"cha02", "cha03", "cha04", "chan1"}));
}

RC_GTEST_PROP(StreamEncoder, NamesInFramesAreNeverAlike, ()) {
  const auto letters = rc::gen::container<std::string>(rc::gen::element('a', 'b', '0', '1', '2'));
  const auto nonempty = rc::gen::suchThat(letters, [](const std::string& name) { return !name.empty(); });
  auto names = *rc::gen::unique<std::vector<std::string>>(nonempty);
  if (names.size() > hal::kMaxAxes) names.resize(hal::kMaxAxes);
  RC_PRE(!names.empty());
  const auto shortened = names_in_frames(names);
  RC_ASSERT(shortened.size() == names.size());
  RC_ASSERT(std::set<std::string>(shortened.begin(), shortened.end()).size() == names.size());
  for (std::size_t i = 0; i < names.size(); ++i) RC_ASSERT(names[i].size() > 5 || shortened[i] == names[i]);
}

TEST(StreamEncoder, ABatchOfAudioIsSmallQuickAndExact) {
  StreamEncoder encoder;
  encoder.begin(kAudio, StreamForm::batch, 16000, 1);
  const std::size_t count = encoder.capacity();
  EXPECT_LE(static_cast<double>(count) / 16000, StreamEncoder::kBatchSeconds);
  for (std::size_t i = 0; i < count; ++i)
    encoder.add(static_cast<std::uint32_t>(500 + i), 31, static_cast<std::int16_t>(i * 977));
  EXPECT_TRUE(encoder.full());
  const std::string_view bytes = encoder.encode();
  EXPECT_LE(bytes.size(), StreamEncoder::kMaxPiece);
  EXPECT_LT(static_cast<double>(bytes.size()), 1.03 * 2 * static_cast<double>(count));
  EXPECT_GE(StreamEncoder::bytes_per_second(kAudio, StreamForm::batch, 16000) * 90 / 1000,
            static_cast<double>(bytes.size()));
  const auto read = items(bytes);
  ASSERT_EQ(read.size(), 1U);
  const auto& batch = std::get<wire::SensorBatch>(read[0].item);
  EXPECT_EQ(batch.seq, 500U);
  EXPECT_EQ(batch.ts_ms, 31U);
  EXPECT_EQ(batch.period_us, 63U);
  EXPECT_EQ(batch.count, count);
  EXPECT_EQ(batch.format, wire::BatchFormat::i16);
  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(batch.value(i), static_cast<std::int16_t>(i * 977));
}

TEST(StreamEncoder, ABatchOfRowsKeepsEveryBitAndMayBeShort) {
  StreamEncoder encoder;
  encoder.begin(kAccel, StreamForm::batch, 200, 1);
  EXPECT_EQ(encoder.capacity(), 20U);
  encoder.add(3, 5, std::array{0.1F, -1e-30F, 3.4e38F});
  encoder.add(4, 10, std::array{1.0F, 2.0F, 3.0F});
  EXPECT_FALSE(encoder.full());
  const auto read = items(encoder.encode());
  ASSERT_EQ(read.size(), 1U);
  const auto& batch = std::get<wire::SensorBatch>(read[0].item);
  EXPECT_EQ(batch.count, 2);
  EXPECT_EQ(batch.value(0), static_cast<double>(0.1F));
  EXPECT_EQ(batch.value(1), static_cast<double>(-1e-30F));
  EXPECT_EQ(batch.value(2), static_cast<double>(3.4e38F));
  EXPECT_EQ(batch.value(5), 3.0);
  encoder.begin(kAccel, StreamForm::batch, 1, 1);
  EXPECT_EQ(encoder.capacity(), 1U);
}

TEST(StreamEncoder, DiscardedReadingsAreCounted) {
  StreamEncoder encoder;
  encoder.begin(kAccel, StreamForm::batch, 200, 1);
  encoder.add(0, 0, std::array{1.0F, 2.0F, 3.0F});
  encoder.add(1, 5, std::array{1.0F, 2.0F, 3.0F});
  EXPECT_EQ(encoder.discard(), 2U);
  EXPECT_EQ(encoder.encode(), "");
  encoder.add(9, 45, std::array{4.0F, 5.0F, 6.0F});
  EXPECT_EQ(encoder.first_seq(), 9U);
  EXPECT_EQ(std::get<wire::SensorBatch>(items(encoder.encode()).at(0).item).value(0), 4.0);
}

TEST(StreamEncoder, TheCostOfAFrameIsKnown) {
  StreamEncoder encoder;
  encoder.begin(kAccel, StreamForm::frames, 100, 1);
  encoder.add(0xFFFFFFFF, 0xFFFFFFFF, std::array{1.1F, 2.1F, 3.1F});
  EXPECT_EQ(static_cast<double>(encoder.encode().size()),
            StreamEncoder::bytes_per_second(kAccel, StreamForm::frames, 1));
}

TEST(StreamForm, Words) {
  for (const StreamForm form : {StreamForm::text, StreamForm::frames, StreamForm::batch})
    EXPECT_EQ(stream_form(stream_form_name(form)), form);
  EXPECT_FALSE(stream_form("Text"));
  EXPECT_EQ(default_stream_form(kAccel), StreamForm::text);
  EXPECT_EQ(default_stream_form(kAudio), StreamForm::batch);
}

}  // namespace
}  // namespace tml::fw::app
