// SPDX-License-Identifier: Apache-2.0
#include "uploader/parse/wav_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <cstring>

#include "common/sample/document.hpp"
#include "common/sample/signature.hpp"

namespace tml::uploader {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class T>
std::string le(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

std::string wav(std::uint16_t tag, std::uint16_t channels, std::uint32_t rate, std::uint16_t bits,
                const std::string& data) {
  const auto frame = static_cast<std::uint16_t>(channels * bits / 8);
  return "RIFF" + le(static_cast<std::uint32_t>(36 + data.size())) + "WAVEfmt " + le(std::uint32_t{16}) + le(tag) +
         le(channels) + le(rate) + le(rate * frame) + le(frame) + le(bits) + "data" +
         le(static_cast<std::uint32_t>(data.size())) + data;
}

std::string error_of(const std::string& bytes) {
  const auto facts = check_wav(random_text_source(bytes), "x.wav");
  return facts ? "no error" : facts.error().message();
}

TEST(WavCheck, GivesFacts) {
  const std::string bytes = wav(1, 2, 16000, 16, std::string(64000, '\0'));
  const auto facts = check_wav(random_text_source(bytes), "x.wav");
  ASSERT_TRUE(facts) << facts.error().message();
  EXPECT_EQ(facts->format.rate_hz, 16000U);
  EXPECT_EQ(facts->format.channels, 2U);
  EXPECT_EQ(facts->format.frames, 16000U);
  EXPECT_EQ(facts->duration_s, 1.0);
}

TEST(WavCheck, NamesTheByteOfAFault) {
  const std::string good = wav(1, 1, 8000, 16, "abcdefgh");
  EXPECT_THAT(error_of(good.substr(0, good.size() - 2)),
              HasSubstr("2 bytes of its samples are missing: x.wav, byte 50"));
  EXPECT_THAT(error_of(wav(6, 1, 8000, 8, "ab")), HasSubstr("encoding 6 with 8 bits: x.wav, byte 20"));
  EXPECT_THAT(error_of("junk"), HasSubstr("not a RIFF/WAVE file: x.wav, byte 0"));
  EXPECT_THAT(error_of(wav(1, 1, 8000, 16, "")), HasSubstr("without samples"));
  EXPECT_THAT(error_of(good.substr(0, 30)), HasSubstr("format chunk is too short"));
}

TEST(WavDocument, IsSignedAndHoldsTheMeanOfTheChannels) {
  const std::string bytes =
      wav(1, 2, 16000, 16, le(std::int16_t{100}) + le(std::int16_t{-50}) + le(std::int16_t{-7}) + le(std::int16_t{-8}));
  const auto document = wav_document(random_text_source(bytes), {"mic", "EDGE_IMPULSE_UPLOADER", "secret"}, "x.wav");
  ASSERT_TRUE(document) << document.error().message();
  const auto raw = sample::as_bytes(*document);
  EXPECT_EQ(sample::verify(raw, "secret").value(), sample::Verification::verified);
  const auto parsed = sample::parse(raw);
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->interval_ms, 0.0625);
  EXPECT_THAT(parsed->sensors, ElementsAre(sample::Sensor{"audio", "wav"}));
  const auto values = sample::parse_values(raw);
  ASSERT_TRUE(values) << values.error().message();
  EXPECT_THAT(values->values.data, ElementsAre(25, -8));
  const auto plain = wav_document(random_text_source(bytes), {}, "x.wav");
  ASSERT_TRUE(plain);
  EXPECT_EQ(sample::verify(sample::as_bytes(*plain), "secret").value(), sample::Verification::not_signed);
}

struct Coding {
  std::uint16_t tag;
  std::uint16_t bits;
};

std::string encode(double unit, Coding coding) {
  if (coding.tag == 3) return coding.bits == 32 ? le(static_cast<float>(unit)) : le(unit);
  if (coding.bits == 8) return std::string(1, static_cast<char>(std::lround(unit * 127) + 128));
  const double top = std::exp2(coding.bits - 1) - 1;
  return le(static_cast<std::int32_t>(std::lround(unit * top))).substr(0, coding.bits / 8U);
}

// Every coding carries the same sound to within its own step, in pieces of any size.
RC_GTEST_PROP(WavProperty, EveryCodingDecodesToWhatWasWritten, ()) {
  const Coding coding = *rc::gen::elementOf(std::vector<Coding>{{1, 8}, {1, 16}, {1, 24}, {1, 32}, {3, 32}, {3, 64}});
  const auto channels = *rc::gen::inRange<std::uint16_t>(1, 5);
  const auto frames = *rc::gen::inRange<std::size_t>(1, 50);
  std::vector<double> expected;
  std::string data;
  for (std::size_t f = 0; f < frames; ++f) {
    double sum = 0;
    for (int c = 0; c < channels; ++c) {
      const double unit = *rc::gen::inRange(-1000, 1001) / 1000.0;
      sum += unit;
      data += encode(unit, coding);
    }
    expected.push_back(sum / channels * 32767);
  }
  const std::string bytes = wav(coding.tag, channels, 8000, coding.bits, data);
  const auto facts = check_wav(random_text_source(bytes), "x");
  RC_ASSERT(facts.has_value());
  RC_ASSERT(facts->format.frames == frames);
  WavMono mixer(facts->format);
  std::vector<std::int16_t> mono;
  const auto step = *rc::gen::inRange<std::size_t>(1, 40);
  for (std::size_t at = 0; at < data.size(); at += step)
    mixer.feed(sample::as_bytes(std::string_view(data).substr(at, step)), mono);
  RC_ASSERT(mono.size() == frames);
  const double step_size = coding.bits == 8 && coding.tag == 1 ? 400 : 2;
  for (std::size_t f = 0; f < frames; ++f) RC_ASSERT(std::abs(mono[f] - expected[f]) <= step_size);
}

}  // namespace
}  // namespace tml::uploader
