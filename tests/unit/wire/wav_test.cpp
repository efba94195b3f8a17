// SPDX-License-Identifier: Apache-2.0
#include "common/wire/wav.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace tml::wire {
namespace {

using ::testing::HasSubstr;

template <class T>
std::string le(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}

std::string format(std::uint16_t tag, std::uint16_t channels, std::uint32_t rate, std::uint16_t bits) {
  return "fmt " + le(std::uint32_t{16}) + le(tag) + le(channels) + le(rate) + le(std::uint32_t{0}) +
         le(std::uint16_t{0}) + le(bits);
}

std::string chunk(const std::string& name, const std::string& body) {
  return name + le(static_cast<std::uint32_t>(body.size())) + body + (body.size() % 2 == 0 ? "" : std::string(1, '\0'));
}

std::string riff(const std::string& chunks, std::uint32_t more = 0) {
  return "RIFF" + le(static_cast<std::uint32_t>(chunks.size() + 4 + more)) + "WAVE" + chunks;
}

WavFault fault_of(const std::string& bytes) {
  const auto header = read_wav_header(as_bytes(bytes));
  return header ? WavFault{Errc::overflow, 0, "no fault", 0, 0} : header.error();
}

TEST(WavHeader, FindsTheSamples) {
  const auto header =
      read_wav_header(as_bytes(riff(chunk("LIST", "abc") + format(1, 2, 44100, 24) + chunk("data", "123456789"))));
  ASSERT_TRUE(header) << header.error().what;
  EXPECT_EQ(header->rate_hz, 44100U);
  EXPECT_EQ(header->channels, 2U);
  EXPECT_EQ(header->bits, 24U);
  EXPECT_EQ(header->coding, WavCoding::pcm);
  EXPECT_EQ(header->data_offset, 12U + 12 + 24 + 8);
  EXPECT_EQ(header->frames, 1U);
  EXPECT_EQ(header->missing_bytes, 0U);
}

TEST(WavHeader, ReadsTheExtensibleForm) {
  const std::string body = le(std::uint16_t{0xFFFE}) + le(std::uint16_t{1}) + le(std::uint32_t{48000}) +
                           std::string(6, '\0') + le(std::uint16_t{32}) + le(std::uint16_t{22}) + std::string(6, '\0') +
                           le(std::uint16_t{3}) + std::string(14, '\0');
  const auto header = read_wav_header(as_bytes(riff(chunk("fmt ", body) + chunk("data", "12345678"))));
  ASSERT_TRUE(header) << header.error().what;
  EXPECT_EQ(header->coding, WavCoding::ieee_float);
  EXPECT_EQ(header->frames, 2U);
}

TEST(WavHeader, TellsACutFileFromAStreamedOne) {
  const std::string start = format(1, 1, 8000, 16);
  const auto cut = read_wav_header(as_bytes(riff(start + "data" + le(std::uint32_t{100}) + "1234")));
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->frames, 2U);
  EXPECT_EQ(cut->missing_bytes, 96U);
  for (const std::uint32_t size : {0U, 0xFFFFFFFFU}) {
    const std::string streamed = "RIFF" + le(size) + "WAVE" + start + "data" + le(size) + "123456";
    const auto header = read_wav_header(as_bytes(streamed));
    ASSERT_TRUE(header);
    EXPECT_EQ(header->frames, 3U);
    EXPECT_EQ(header->missing_bytes, 0U);
  }
  // Nothing was recorded: the sizes fit.
  EXPECT_EQ(read_wav_header(as_bytes(riff(start + chunk("data", "") + chunk("LIST", "ab"))))->frames, 0U);
}

TEST(WavHeader, NamesTheByteOfAFault) {
  EXPECT_EQ(fault_of("RIFX").what, "not a RIFF/WAVE file");
  EXPECT_EQ(fault_of(riff(format(1, 0, 8000, 16))).offset, 22U);
  EXPECT_EQ(fault_of(riff(format(1, 1, 0, 16))).offset, 24U);
  const WavFault mulaw = fault_of(riff(format(7, 1, 8000, 8)));
  EXPECT_EQ(mulaw.code, Errc::unsupported);
  EXPECT_EQ(mulaw.tag, 7U);
  EXPECT_EQ(mulaw.bits, 8U);
  EXPECT_EQ(fault_of(riff(chunk("data", "12"))).what, "data before its format");
  EXPECT_EQ(fault_of(riff(format(1, 1, 8000, 16))).what, "no data chunk");
  EXPECT_EQ(fault_of(riff(chunk("fmt ", "short"))).code, Errc::truncated);
  std::string many;
  for (std::uint32_t i = 0; i <= kMaxWavChunks; ++i) many += chunk("junk", "");
  EXPECT_EQ(fault_of(riff(many)).code, Errc::limit);
}

TEST(WavHeader, ReadsOnlyHeadersOfAFileOfAnyLength) {
  // 3 GB of junk before the format: the callback is asked for headers alone.
  constexpr std::uint32_t kJunk = 3'000'000'000;
  const std::string head = riff("junk" + le(kJunk), kJunk);
  const std::string tail = format(1, 1, 16000, 16) + chunk("data", "1234");
  std::size_t asked = 0;
  const auto read = [&](std::uint64_t offset, std::span<std::byte> into) -> std::size_t {
    asked += into.size();
    const std::uint64_t tail_at = head.size() + std::uint64_t{kJunk};
    const std::string_view from = offset < head.size() ? std::string_view(head).substr(offset)
                                  : offset >= tail_at  ? std::string_view(tail).substr(offset - tail_at)
                                                       : std::string_view();
    const std::size_t count = std::min(into.size(), from.size());
    std::memcpy(into.data(), from.data(), count);
    return count;
  };
  const auto header = read_wav_header(head.size() + std::uint64_t{kJunk} + tail.size(), read);
  ASSERT_TRUE(header) << header.error().what;
  EXPECT_EQ(header->frames, 2U);
  EXPECT_LT(asked, 200U);
}

TEST(WavSample, InInt16Steps) {
  const auto value = [](WavCoding coding, std::uint16_t bits, const std::string& bytes) {
    WavFormat format;
    format.coding = coding;
    format.bits = bits;
    return wav_sample(format, as_bytes(bytes));
  };
  EXPECT_EQ(value(WavCoding::pcm, 8, std::string("\x00", 1)), -32768);
  EXPECT_EQ(value(WavCoding::pcm, 16, le(std::int16_t{-5})), -5);
  EXPECT_EQ(value(WavCoding::pcm, 24, std::string("\x80\x00\x00", 3)), 0.5);
  EXPECT_EQ(value(WavCoding::pcm, 32, le(std::int32_t{-65536})), -1);
  EXPECT_EQ(value(WavCoding::ieee_float, 32, le(0.5F)), 16383.5);
  EXPECT_EQ(value(WavCoding::ieee_float, 64, le(-3.0)), -32767);
  EXPECT_EQ(value(WavCoding::ieee_float, 64, le(std::numeric_limits<double>::quiet_NaN())), 0);
}

}  // namespace
}  // namespace tml::wire
