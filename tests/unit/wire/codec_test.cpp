// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <array>

#include "common/wire/base64.hpp"
#include "common/wire/cobs.hpp"
#include "common/wire/crc.hpp"
#include "common/wire/hex.hpp"
#include "tests/unit/wire/support.hpp"

namespace tml::wire {
namespace {

using test::Bytes;

static_assert(Crc16Ccitt::of("123456789") == 0x6F91);
static_assert(Crc16Xmodem::of("123456789") == 0x31C3);
static_assert(Crc32::of("123456789") == 0xCBF43926U);
static_assert(Crc32c::of("123456789") == 0xE3069283U);

TEST(Crc, Rfc3720Vectors) {
  const Bytes zeros(32, std::byte{0});
  const Bytes ones(32, std::byte{0xFF});
  EXPECT_EQ(Crc32c::of(zeros), 0x8A9136AAU);
  EXPECT_EQ(Crc32c::of(ones), 0x62A8AB43U);
}

template <class Code>
void expect_any_cutting_gives_the_same() {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& input) {
    const Bytes whole = test::bytes_of(input);
    Code cut_up;
    for (const auto& piece : test::cut(whole)) cut_up.update(piece);
    Code bytewise;
    for (const auto byte : input) bytewise.update(byte);
    RC_ASSERT(cut_up.value() == bytewise.value());
    RC_ASSERT(Code::of(whole) == bytewise.value());
  }));
}

TEST(Crc, AnyCuttingGivesTheSame) {
  expect_any_cutting_gives_the_same<Crc16Ccitt>();
  expect_any_cutting_gives_the_same<Crc16Xmodem>();
  expect_any_cutting_gives_the_same<Crc32>();
  expect_any_cutting_gives_the_same<Crc32c>();
}

TEST(Cobs, Golden) {
  for (const auto& line : test::golden("cobs.txt")) {
    const Bytes plain = test::unhex(line[1]);
    Bytes out(cobs_max_encoded(plain.size()));
    const auto size = cobs_encode(plain, out);
    ASSERT_TRUE(size) << line[0];
    EXPECT_EQ(test::hex(std::span(out).first(*size)), line[2]) << line[0];
  }
}

TEST(Cobs, OverflowIsSeenAtEverySize) {
  const Bytes plain(600, std::byte{7});
  Bytes big(cobs_max_encoded(plain.size()));
  const auto needed = cobs_encode(plain, big);
  ASSERT_TRUE(needed);
  for (std::size_t room = 0; room < *needed; ++room) {
    Bytes small(room);
    EXPECT_EQ(cobs_encode(plain, small).error(), Errc::overflow);
  }
}

TEST(Cobs, DecoderResynchronises) {
  std::array<std::byte, 8> memory{};
  CobsDecoder decoder(memory);
  const auto feed = [&decoder](std::string_view text) {
    std::string events;
    for (const auto byte : test::unhex(text)) {
      switch (decoder.push(byte)) {
        case CobsDecoder::Event::none:
          break;
        case CobsDecoder::Event::frame:
          events += "f" + test::hex(decoder.frame()) + " ";
          break;
        case CobsDecoder::Event::error:
          events += std::string("e") + std::string(errc_name(decoder.error())) + " ";
          break;
      }
    }
    return events;
  };
  EXPECT_EQ(feed("0000"), "");
  EXPECT_EQ(feed("031122023300"), "f11220033 ");
  EXPECT_EQ(feed("05112200"), "etruncated ");
  EXPECT_EQ(feed("0a01020304050607080900"), "eoverflow ");
  EXPECT_EQ(feed("0901020304050607080000"), "f0102030405060708 ");
  EXPECT_EQ(feed("0100"), "f ");
}

TEST(Cobs, RoundTripAfterGarbage) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& garbage, const std::vector<std::uint8_t>& input) {
    const Bytes plain = test::bytes_of(input);
    Bytes out(cobs_max_encoded(plain.size()));
    const auto size = cobs_encode(plain, out);
    RC_ASSERT(size.has_value());
    Bytes memory(std::max<std::size_t>(plain.size(), 1));
    CobsDecoder decoder(memory);
    for (const auto byte : garbage) (void)decoder.push(static_cast<std::byte>(byte));
    (void)decoder.push(std::byte{0});
    for (std::size_t i = 0; i < *size; ++i) {
      RC_ASSERT(out[i] != std::byte{0});
      RC_ASSERT(decoder.push(out[i]) == CobsDecoder::Event::none);
    }
    RC_ASSERT(decoder.push(std::byte{0}) == CobsDecoder::Event::frame);
    RC_ASSERT(test::hex(decoder.frame()) == test::hex(plain));
  }));
}

TEST(Base64, Golden) {
  for (const auto& line : test::golden("base64.txt")) {
    const Bytes plain = test::unhex(line[1]);
    const std::string text = line[2] == "-" ? "" : line[2];
    std::string out(base64_encoded_size(plain.size()), '?');
    const auto size = base64_encode(plain, out);
    ASSERT_TRUE(size);
    EXPECT_EQ(*size, text.size());
    EXPECT_EQ(out, text);
    Bytes back(plain.size());
    const auto decoded = base64_decode(text, back);
    ASSERT_TRUE(decoded) << line[0];
    EXPECT_EQ(*decoded, plain.size());
    EXPECT_EQ(back, plain);
  }
}

TEST(Base64, AnyCuttingGivesTheSame) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& input) {
    const Bytes whole = test::bytes_of(input);
    std::string text;
    Base64Encoder encoder;
    std::array<char, 128> chars{};
    for (const auto& piece : test::cut(whole)) {
      const auto size = encoder.update(piece, chars);
      RC_ASSERT(size.has_value());
      text.append(chars.data(), *size);
    }
    const auto rest = encoder.finish(chars);
    RC_ASSERT(rest.has_value());
    text.append(chars.data(), *rest);
    RC_ASSERT(text.size() == base64_encoded_size(whole.size()));

    Bytes back;
    Base64Decoder decoder;
    std::array<std::byte, 64> bytes{};
    for (const auto& piece : test::cut(text)) {
      const auto size = decoder.update(piece, bytes);
      RC_ASSERT(size.has_value());
      back.insert(back.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(*size));
    }
    RC_ASSERT(decoder.finish().has_value());
    RC_ASSERT(back == whole);
    RC_ASSERT(decoder.decoded() == whole.size());
  }));
}

struct BadBase64 {
  std::string_view text;
  Errc error;
  std::uint64_t position;
};

TEST(Base64, RefusesAndSaysWhere) {
  constexpr std::array<BadBase64, 12> kCases = {{{"AAAA*AAA", Errc::bad_character, 4},
                                                 {"AAA\nA", Errc::bad_character, 3},
                                                 {"=AAA", Errc::bad_padding, 0},
                                                 {"A=AA", Errc::bad_padding, 1},
                                                 {"AA=A", Errc::bad_padding, 3},
                                                 {"AAA=A", Errc::bad_padding, 4},
                                                 {"AA===", Errc::bad_padding, 4},
                                                 {"AAAA=", Errc::bad_padding, 4},
                                                 {"AB==", Errc::bad_padding, 2},
                                                 {"AAB=", Errc::bad_padding, 3},
                                                 {"AA==AAAA", Errc::bad_padding, 4},
                                                 {"QUJDRA-_", Errc::bad_character, 6}}};
  for (const auto& bad : kCases) {
    std::array<std::byte, 16> out{};
    Base64Decoder decoder;
    const auto result = decoder.update(bad.text, out);
    ASSERT_FALSE(result) << bad.text;
    EXPECT_EQ(result.error(), bad.error) << bad.text;
    EXPECT_EQ(decoder.position(), bad.position) << bad.text;
    EXPECT_EQ(decoder.update("AAAA", out).error(), bad.error) << "errors stick";
  }
  for (const std::string_view text : {"A", "AA", "AAA", "AA="}) {
    std::array<std::byte, 16> out{};
    EXPECT_EQ(base64_decode(text, out).error(), Errc::truncated) << text;
  }
}

TEST(Base64, KeepsTheGoodPartBeforeAnError) {
  std::array<std::byte, 16> out{};
  Base64Decoder decoder;
  EXPECT_FALSE(decoder.update("QUJDREVG*", out));
  EXPECT_EQ(decoder.decoded(), 6U);
  EXPECT_EQ(as_text(std::span(out).first(6)), "ABCDEF");
}

TEST(Base64, SkipsNewlinesOnlyWhenAsked) {
  std::array<std::byte, 16> out{};
  Base64Decoder decoder(Base64Decoder::Newlines::skip);
  const auto size = decoder.update("QU\r\nJD\nRA==\r\n", out);
  ASSERT_TRUE(size);
  EXPECT_EQ(as_text(std::span(out).first(*size)), "ABCD");
  EXPECT_TRUE(decoder.finish());
}

TEST(Base64, OverflowIsRefused) {
  std::array<std::byte, 5> out{};
  EXPECT_EQ(base64_decode("QUJDREVG", out).error(), Errc::overflow);
  std::array<char, 7> text{};
  EXPECT_EQ(base64_encode(test::bytes_of("ABCD"), text).error(), Errc::overflow);
}

TEST(Hex, RoundTripAndRefusals) {
  std::array<char, 6> text{};
  ASSERT_TRUE(hex_encode(test::unhex("00ff7a"), text));
  EXPECT_EQ(std::string_view(text.data(), 6), "00ff7a");
  std::array<std::byte, 3> out{};
  EXPECT_EQ(hex_decode("00Ff7A", out).value(), 3U);
  EXPECT_EQ(test::hex(out), "00ff7a");
  EXPECT_EQ(hex_decode("000", out).error(), Errc::truncated);
  EXPECT_EQ(hex_decode("0g", out).error(), Errc::bad_character);
  EXPECT_EQ(hex_decode("00000000", out).error(), Errc::overflow);
}

TEST(Hex, StreamsDumpsInAnyCutting) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& input) {
    const Bytes whole = test::bytes_of(input);
    std::string dump;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      dump += test::hex(std::span(whole).subspan(i, 1));
      dump += i % 16 == 15 ? "\r\n" : " ";
    }
    HexDecoder decoder;
    Bytes back;
    std::array<std::byte, 64> out{};
    for (const auto& piece : test::cut(dump)) {
      const auto size = decoder.update(piece, out);
      RC_ASSERT(size.has_value());
      back.insert(back.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(*size));
    }
    RC_ASSERT(decoder.finish().has_value());
    RC_ASSERT(back == whole);
  }));
  HexDecoder split;
  std::array<std::byte, 4> out{};
  EXPECT_EQ(split.update("0 0", out).error(), Errc::bad_character);
}

}  // namespace
}  // namespace tml::wire
