// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstring>
#include <string>
#include <vector>

#include "common/wire/bytes.hpp"
#include "common/wire/cbor.hpp"
#include "common/wire/smp.hpp"

namespace tml::wire::smp {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::initializer_list<int> values) {
  Bytes out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

std::string lines_of(const Bytes& packet) {
  std::vector<std::byte> out(encoded_bytes(packet.size()));
  const Result<std::size_t> size = encode_lines(packet, out);
  EXPECT_TRUE(size && *size == out.size());
  return std::string(as_text(out));
}

// The packets that come out of a text, and the errors.
struct Taken {
  std::vector<Bytes> packets;
  std::vector<Errc> errors;
};
Taken take(Assembler& assembler, std::string_view text) {
  Taken taken;
  for (const char c : text) {
    switch (assembler.push(static_cast<std::uint8_t>(c))) {
      case Assembler::Event::packet:
        taken.packets.emplace_back(assembler.packet().begin(), assembler.packet().end());
        break;
      case Assembler::Event::rejected:
        taken.errors.push_back(assembler.error());
        break;
      default:
        break;
    }
  }
  return taken;
}

// An echo request, worked by hand: docs/other-bootloaders.md.
TEST(SmpLines, WorkedExample) {
  Bytes packet(kHeaderBytes);
  put_header({.version = 1, .op = Op::write, .body_bytes = 6, .group = 0, .sequence = 1, .id = kOsEcho},
             std::span(packet).first<kHeaderBytes>());
  for (const std::byte b : bytes_of({0xA1, 0x61, 0x64, 0x62, 0x68, 0x69})) packet.push_back(b);
  EXPECT_EQ(packet, bytes_of({0x0A, 0, 0, 6, 0, 0, 1, 0, 0xA1, 0x61, 0x64, 0x62, 0x68, 0x69}));
  EXPECT_EQ(lines_of(packet),
            "\x06\x09"
            "ABAKAAAGAAABAKFhZGJoaaWv\n");
}

// The example of the crate mcumgr-smp: what a board answers to an echo of "Hello World".
TEST(SmpHeader, ReadsAnAnswerOfAnotherImplementation) {
  const Bytes packet =
      bytes_of({3, 0, 0, 16, 0, 0, 66, 0, 191, 97, 114, 107, 72, 101, 108, 108, 111, 32, 87, 111, 114, 108, 100, 255});
  const Result<Header> header = parse_header(packet);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->version, 0);
  EXPECT_EQ(header->op, Op::write_reply);
  EXPECT_EQ(header->sequence, 66);
  const Result<Fields> fields = parse_fields(std::span(packet).subspan(kHeaderBytes));
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->r, "Hello World");
}

TEST(SmpHeader, Refuses) {
  EXPECT_EQ(parse_header(bytes_of({0, 0, 0, 0, 0, 0, 0})).error(), Errc::truncated);
  EXPECT_EQ(parse_header(bytes_of({0, 0, 0, 1, 0, 0, 0, 0})).error(), Errc::malformed);
  EXPECT_EQ(parse_header(bytes_of({0x10, 0, 0, 0, 0, 0, 0, 0})).error(), Errc::unsupported);
  EXPECT_EQ(parse_header(bytes_of({0x20, 0, 0, 0, 0, 0, 0, 0})).error(), Errc::malformed);
  EXPECT_EQ(parse_header(bytes_of({0x04, 0, 0, 0, 0, 0, 0, 0})).error(), Errc::malformed);
}

TEST(SmpFields, ErrorsOfBothVersions) {
  std::vector<std::byte> memory(64);
  CborWriter writer(memory);
  writer.map(2);
  writer.text("err");
  writer.map(2);
  writer.text("group");
  writer.unsigned_int(1);
  writer.text("rc");
  writer.unsigned_int(7);
  writer.text("rc");
  writer.integer(-5);
  const Result<Fields> fields = parse_fields(writer.written());
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->err_group, 1U);
  EXPECT_EQ(fields->err_rc, 7U);
  EXPECT_EQ(fields->rc, 1U);
}

TEST(SmpFields, SkipsWhatItDoesNotKnow) {
  std::vector<std::byte> memory(64);
  CborWriter writer(memory);
  writer.map_indefinite();
  writer.text("images");
  writer.array(1);
  writer.map(1);
  writer.text("off");
  writer.unsigned_int(9);
  writer.text("off");
  writer.unsigned_int(4);
  writer.end();
  const Result<Fields> fields = parse_fields(writer.written());
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->off, 4U);
  EXPECT_FALSE(parse_fields(bytes_of({0xA1, 0x63, 'o', 'f', 'f', 0x61, 'x'})));
  EXPECT_TRUE(parse_fields({}));
}

TEST(SmpFields, OfARequest) {
  std::vector<std::byte> memory(96);
  CborWriter writer(memory);
  writer.map(6);
  writer.text("image");
  writer.unsigned_int(2);
  writer.text("hash");
  writer.null();
  writer.text("confirm");
  writer.boolean(true);
  writer.text("data");
  writer.bytes(bytes_of({1, 2}));
  writer.text("rc");
  writer.text("no key of requests");
  writer.text("d");
  writer.text("echo");
  Request request;
  ASSERT_TRUE(parse_request(writer.written(), request));
  EXPECT_EQ(request.image, 2U);
  EXPECT_FALSE(request.hash);
  EXPECT_TRUE(request.confirm);
  EXPECT_EQ(request.d, "echo");
  ASSERT_TRUE(request.data);
  EXPECT_EQ(request.data->size(), 2U);
  EXPECT_FALSE(request.off);
  EXPECT_TRUE(parse_request({}, request));
  EXPECT_EQ(request.image, 0U);
  EXPECT_FALSE(parse_request(bytes_of({0xA1, 0x63, 'o', 'f', 'f', 0x61, 'x'}), request));
}

TEST(SmpLines, ComeBackFromAnyPacketBetweenOtherText) {
  EXPECT_TRUE(rc::check([] {
    const auto sizes = *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(1, 700));
    const auto seed = *rc::gen::arbitrary<std::uint8_t>();
    std::string text;
    std::vector<Bytes> packets;
    for (const std::size_t size : sizes) {
      Bytes packet(size);
      for (std::size_t i = 0; i < size; ++i) packet[i] = static_cast<std::byte>(i * 7 + seed + size);
      text += lines_of(packet);
      if (size % 3 == 0) text += "some log line\r\n";
      if (size % 5 == 0) text += "> \n";
      packets.push_back(std::move(packet));
    }
    Bytes memory(702);
    Assembler assembler(memory);
    const Taken taken = take(assembler, text);
    RC_ASSERT(taken.packets == packets);
    RC_ASSERT(taken.errors.empty());
  }));
}

TEST(SmpLines, OneDamagedByteNeverGivesAnotherPacket) {
  EXPECT_TRUE(rc::check([] {
    Bytes packet(*rc::gen::inRange<std::size_t>(1, 300));
    for (std::size_t i = 0; i < packet.size(); ++i) packet[i] = static_cast<std::byte>(i * 13);
    std::string text = lines_of(packet);
    const std::size_t at = *rc::gen::inRange<std::size_t>(0, text.size());
    text[at] = static_cast<char>(*rc::gen::arbitrary<std::uint8_t>());
    Bytes memory(400);
    Assembler assembler(memory);
    for (const Bytes& got : take(assembler, text).packets) RC_ASSERT(got == packet);
  }));
}

TEST(SmpLines, Bounds) {
  Bytes memory(40);
  Assembler assembler(memory);
  EXPECT_EQ(take(assembler, lines_of(Bytes(39))).errors, std::vector{Errc::limit});
  EXPECT_EQ(take(assembler, lines_of(Bytes(38))).packets.size(), 1U);
  EXPECT_EQ(take(assembler, "\x06\x09" + std::string(128, 'A') + "\n").errors, std::vector{Errc::malformed});
  EXPECT_EQ(take(assembler,
                 "\x06\x09"
                 "AB\n")
                .errors,
            std::vector{Errc::truncated});
  EXPECT_EQ(take(assembler,
                 "\x06\x09"
                 "A*AA\n")
                .errors,
            std::vector{Errc::bad_character});
  // A continuation of nothing is other text.
  EXPECT_TRUE(take(assembler,
                   "\x04\x14"
                   "AAAA\n")
                  .errors.empty());
  // A frame's delimiter ends what is open.
  EXPECT_EQ(take(assembler,
                 "\x06\x09"
                 "ABAK" +
                     std::string(1, '\0') + lines_of(Bytes(10)))
                .packets.size(),
            1U);
}

}  // namespace
}  // namespace tml::wire::smp
