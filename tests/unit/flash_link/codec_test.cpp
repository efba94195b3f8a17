// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Frames and payloads of the flash link, manifests, key sets, bundles.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstring>

#include "common/wire/hex.hpp"
#include "tests/support/link_rig.hpp"

namespace tml::wire::flash {
namespace {

using fw::flashtest::Bytes;
using fw::flashtest::encoded;
using fw::flashtest::fields;

std::string hex(std::span<const std::byte> bytes) {
  std::string text(bytes.size() * 2, '0');
  (void)hex_encode(bytes, text);
  return text;
}

Bytes made(const Frame& frame, std::uint16_t session, bool leading = true) {
  std::array<std::byte, kMaxEncodedFrame> room{};
  const auto size = encode_frame(frame, session, leading, room);
  EXPECT_TRUE(size);
  return {room.begin(), room.begin() + static_cast<std::ptrdiff_t>(size.value_or(0))};
}

// The decoded body and CRC of one frame.
Bytes unstuffed(std::span<const std::byte> stream) {
  std::array<std::byte, kMaxFrameBytes> memory{};
  CobsDecoder decoder(memory);
  for (const std::byte byte : stream) {
    if (decoder.push(byte) == CobsDecoder::Event::frame) return {decoder.frame().begin(), decoder.frame().end()};
  }
  return {};
}

// docs/flash-link.md shows these bytes.
TEST(FlashFrame, WorkedExamples) {
  const Bytes hello = encoded(Hello{});
  EXPECT_EQ(hex(made({.kind = Kind::request, .id = 0x2A, .op = 1, .payload = hello}, 0)), "0005102a010106082383141000");
  const Bytes pong = fields(std::uint8_t{'h'}, std::uint8_t{'i'});
  EXPECT_EQ(hex(made({.kind = Kind::request, .id = 1, .op = 2, .payload = pong}, 0xBEEF)), "000a10010268693c840f1300");
  EXPECT_EQ(hex(made({.kind = Kind::reply, .id = 1, .op = 2, .status = 0, .payload = pong}, 0xBEEF)),
            "00041101020768697c2458d400");
  Ack ack{.base = 2, .limit = 256, .flash_ms = 45, .chunks = 1};
  ack.got[0] = 0xFF00FF;
  const Bytes payload = encoded(ack);
  EXPECT_EQ(hex(payload), "02000001002d0001ff00ff0000000000");
}

TEST(FlashFrame, ComesBackAsItWas) {
  EXPECT_TRUE(rc::check([] {
    Frame frame;
    frame.kind = *rc::gen::element(Kind::request, Kind::reply, Kind::data_raw, Kind::data_deflate, Kind::data_delta,
                                   Kind::ack, Kind::event);
    const auto session = *rc::gen::inRange<std::uint16_t>(1, UINT16_MAX);
    const bool data =
        frame.kind == Kind::data_raw || frame.kind == Kind::data_deflate || frame.kind == Kind::data_delta;
    Bytes payload;
    if (frame.kind == Kind::request || frame.kind == Kind::reply) {
      frame.id = *rc::gen::inRange<std::uint8_t>(1, 255);
      frame.op = *rc::gen::inRange<std::uint8_t>(2, 255);
      if (frame.kind == Kind::reply) frame.status = *rc::gen::arbitrary<std::uint8_t>();
    }
    if (frame.kind == Kind::event) frame.op = *rc::gen::arbitrary<std::uint8_t>();
    if (data) {
      const auto first = *rc::gen::inRange<std::size_t>(0, 63);
      const auto count = *rc::gen::inRange<std::size_t>(1, std::min<std::size_t>(32, 64 - first) + 1);
      frame.granule = static_cast<std::uint16_t>(*rc::gen::inRange<std::size_t>(0, 255) * 64 + first);
      payload.assign(count * 64, std::byte{0x5A});
      if (frame.kind != Kind::data_raw) frame.encoded_bytes = 4096;
    } else {
      const auto raw = *rc::gen::arbitrary<std::vector<std::uint8_t>>();
      for (const std::uint8_t byte : raw) payload.push_back(static_cast<std::byte>(byte));
    }
    frame.payload = payload;
    const Bytes body = unstuffed(made(frame, session, *rc::gen::arbitrary<bool>()));
    const auto parsed = parse_frame(body, session, true);
    RC_ASSERT(parsed);
    RC_ASSERT(parsed->session == session);
    RC_ASSERT(parsed->frame.kind == frame.kind && parsed->frame.id == frame.id && parsed->frame.op == frame.op);
    RC_ASSERT(parsed->frame.status == frame.status && parsed->frame.granule == frame.granule);
    RC_ASSERT(parsed->frame.encoded_bytes == frame.encoded_bytes);
    RC_ASSERT(std::equal(payload.begin(), payload.end(), parsed->frame.payload.begin(), parsed->frame.payload.end()));
    // Of another session it is nothing.
    RC_ASSERT(!parse_frame(body, static_cast<std::uint16_t>(session + 1U), true));
    RC_ASSERT(!parse_frame(body, 0, true));
    // Nor with a bit turned round.
    Bytes flipped = body;
    flipped[*rc::gen::inRange<std::size_t>(0, body.size())] ^= static_cast<std::byte>(1U << *rc::gen::inRange(0U, 8U));
    RC_ASSERT(!parse_frame(flipped, session, true));
  }));
}

TEST(FlashFrame, SessionZeroIsForHelloAlone) {
  const Bytes hello = unstuffed(made({.kind = Kind::request, .id = 1, .op = 1}, 0));
  ASSERT_TRUE(parse_frame(hello, 0, true));
  ASSERT_TRUE(parse_frame(hello, 77, true));
  EXPECT_EQ(parse_frame(hello, 77, true)->session, 0);
  EXPECT_EQ(parse_frame(hello, 77, false).error(), Errc::bad_checksum);
  EXPECT_EQ(parse_frame(unstuffed(made({.kind = Kind::request, .id = 1, .op = 2}, 0)), 0, true).error(),
            Errc::malformed);
  EXPECT_EQ(parse_frame(unstuffed(made({.kind = Kind::request, .id = 1, .op = 1}, 5)), 5, true).error(),
            Errc::malformed);
  EXPECT_EQ(parse_frame({}, 5, true).error(), Errc::bad_checksum);
}

TEST(FlashFrame, DataIsWholeGranulesOfOneChunk) {
  const Bytes bytes(128, std::byte{1});
  const auto parsed = [&](Frame frame) { return parse_frame(unstuffed(made(frame, 5)), 5, false).has_value(); };
  const std::span<const std::byte> two = bytes;
  EXPECT_TRUE(parsed({.kind = Kind::data_raw, .granule = 62, .payload = two}));
  EXPECT_FALSE(parsed({.kind = Kind::data_raw, .granule = 63, .payload = two}));
  EXPECT_FALSE(parsed({.kind = Kind::data_raw, .granule = 5}));
  EXPECT_FALSE(parsed({.kind = Kind::data_raw, .granule = 256 * 64, .payload = two}));
  EXPECT_TRUE(parsed({.kind = Kind::data_deflate, .granule = 64, .encoded_bytes = 100, .payload = two.first(100)}));
  EXPECT_FALSE(parsed({.kind = Kind::data_deflate, .granule = 64, .encoded_bytes = 101, .payload = two.first(100)}));
  EXPECT_FALSE(parsed({.kind = Kind::data_delta, .granule = 64, .encoded_bytes = 100, .payload = two}));
  std::array<std::byte, kMaxEncodedFrame + 64> room{};
  const Bytes long_one(kMaxFramePayload + 1);
  EXPECT_EQ(encode_frame({.kind = Kind::ack, .payload = long_one}, 1, true, room).error(), Errc::overflow);
}

// Every prefix is too short, more at the end does no harm, and what comes back is what went in.
template <class T>
void expect_round_trip(const T& value) {
  const Bytes bytes = encoded(value);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    std::span<const std::byte> in = std::span(bytes).first(size);
    T decoded;
    EXPECT_EQ(decode(in, decoded).error(), Errc::truncated) << size;
    std::array<std::byte, 512> room{};
    EXPECT_EQ(encode(value, std::span(room).first(size)).error(), Errc::overflow);
  }
  Bytes longer = bytes;
  longer.resize(bytes.size() + 3, std::byte{0xEE});
  std::span<const std::byte> in = longer;
  T decoded;
  ASSERT_TRUE(decode(in, decoded));
  EXPECT_EQ(in.size(), 3U);
  EXPECT_EQ(encoded(decoded), bytes);
}

TEST(FlashPayloads, RoundTrips) {
  expect_round_trip(Hello{1, 512});
  Identity identity;
  identity.session = 0x1234;
  identity.max_payload = 2048;
  identity.window = 8;
  identity.bauds = {115200, 921600};
  identity.tag[3] = 'x';
  identity.kernels = 0x0102030405060708;
  expect_round_trip(identity);
  expect_round_trip(DeviceStatus{.link = DeviceStatus::Link::staged, .slot = 3, .chunks_done = 7, .chunk_count = 9});
  expect_round_trip(SlotInfo{.slot = 2, .state = SlotInfo::State::damaged, .capacity = 1, .version = 2});
  expect_round_trip(Begin{1, 2, 3});
  expect_round_trip(Begun{Begun::State::active, 256, {}});
  expect_round_trip(Copy{1, 2, 3});
  expect_round_trip(Select{1, 1, 8});
  expect_round_trip(Counters{{1, 2, 3}, 4, 5, 6, 7});
  expect_round_trip(KeyFacts{{1, 2}, 1, 7});
  expect_round_trip(Ack{.base = 3, .limit = 512, .flags = 1, .flash_ms = 60, .chunks = 2, .got = {1, 2}});
  expect_round_trip(Ack{});
}

TEST(FlashPayloads, ImpossibleValuesAreMalformed) {
  const auto refused = []<class T>(T value, std::size_t at, std::uint8_t byte) {
    Bytes bytes = encoded(value);
    bytes[at] = static_cast<std::byte>(byte);
    std::span<const std::byte> in = bytes;
    T decoded;
    const auto result = decode(in, decoded);
    return !result && result.error() == Errc::malformed;
  };
  Identity identity;
  identity.session = 1;
  identity.max_payload = 2048;
  identity.window = 2;
  EXPECT_TRUE(refused(identity, 3, 2));  // mode
  EXPECT_TRUE(refused(identity, 1, 0));  // session
  EXPECT_TRUE(refused(identity, 7, 9));  // window
  EXPECT_TRUE(refused(identity, 6, 1));  // max_payload
  EXPECT_TRUE(refused(DeviceStatus{}, 0, 5));
  EXPECT_TRUE(refused(SlotInfo{}, 1, 4));
  EXPECT_TRUE(refused(Begun{}, 0, 4));
  EXPECT_TRUE(refused(Ack{}, 7, 9));
  EXPECT_FALSE(encode(Ack{.chunks = 9}, Room()).has_value());
}

TEST(FlashNames, AreThere) {
  for (std::size_t n = 0; n < kStatuses; ++n) {
    EXPECT_FALSE(text(static_cast<Status>(n)).empty());
    EXPECT_FALSE(name(static_cast<Status>(n)).empty());
  }
  EXPECT_EQ(name(Status::internal), "internal");
  EXPECT_EQ(name(static_cast<Status>(200)), "unknown");
  for (std::uint8_t slot = 0; slot < kSlots; ++slot) EXPECT_EQ(slot_by_name(slot_name(slot)), slot);
  EXPECT_EQ(slot_by_name("model-2a"), kNoSlot);
  EXPECT_EQ(slot_name(kNoSlot), "");
}

TEST(Versions, AsText) {
  std::array<char, kVersionText> room{};
  EXPECT_EQ(version_text(0, room), "0.0.0");
  EXPECT_EQ(version_text(1U << 24U | 20U << 16U | 300U, room), "1.20.300");
  EXPECT_EQ(version_text(UINT32_MAX, room), "255.255.65535");
}

TEST(Manifests, StructureIsChecked) {
  const auto good = fw::flashtest::make_model(fw::flashtest::noise(5000, 1)).manifest;
  const auto parsed = [](const Manifest& manifest) { return parse_manifest(std::as_bytes(std::span(&manifest, 1))); };
  ASSERT_TRUE(parsed(good));
  EXPECT_EQ(parse_manifest(std::as_bytes(std::span(&good, 1)).first(511)).error(), Errc::truncated);
  const auto bad = [&](auto change) {
    Manifest manifest = good;
    change(manifest);
    const auto result = parsed(manifest);
    return result ? Errc::sink_failed : result.error();
  };
  EXPECT_EQ(bad([](Manifest& m) { m.format = 2; }), Errc::unsupported);
  EXPECT_EQ(bad([](Manifest& m) { m.magic[0] = 'X'; }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.object = static_cast<ObjectClass>(4); }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.flags = 1; }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.reserved3[167] = 1; }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.product[20] = 'x'; }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.name[0] = '\x1B'; }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.slots = 0; }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.slots = 1; }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.chunk_count = 3; }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.payload_bytes = 0; }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.payload_bytes = UINT32_MAX; }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.hardware_last = 0, m.hardware_first = 1; }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.keyset_version = 1; }), Errc::malformed);
  EXPECT_EQ(bad([](Manifest& m) { m.product = {}; }), Errc::sink_failed);  // models fit any product
  EXPECT_EQ(bad([](Manifest& m) { m.product = {}, m.object = ObjectClass::app, m.slots = 1; }), Errc::malformed);
}

TEST(KeySets, AreReadAndChecked) {
  const auto signer = fw::flashtest::Signer::development();
  const std::array keys{fw::flashtest::key_of(signer), fw::flashtest::key_of(fw::flashtest::Signer::root())};
  const auto set = parse_key_set(std::as_bytes(std::span(keys)));
  ASSERT_TRUE(set);
  EXPECT_EQ(set->count, 2U);
  auto twice = keys;
  twice[1] = twice[0];
  EXPECT_FALSE(parse_key_set(std::as_bytes(std::span(twice))));
  auto odd = keys;
  odd[0].classes = 8;
  EXPECT_FALSE(parse_key_set(std::as_bytes(std::span(odd))));
  EXPECT_FALSE(parse_key_set({}));
  EXPECT_FALSE(parse_key_set(std::as_bytes(std::span(keys)).first(79)));
  EXPECT_EQ(parse_key_set(Bytes(9 * sizeof(Key))).error(), Errc::limit);
}

TEST(ImageHeaders, AreFoundWhereTheyLie) {
  Bytes image(0x400, std::byte{0xFF});
  EXPECT_FALSE(*find_image_header(image));
  EXPECT_FALSE(*find_image_header(std::span(image).first(100)));
  ImageHeader header;
  header.image_bytes = 0x400;
  header.slots = 3;
  header.product[0] = 'p';
  const auto put = [&] { std::memcpy(image.data() + kImageHeaderOffset, &header, sizeof header); };
  put();
  ASSERT_TRUE(find_image_header(image));
  EXPECT_TRUE(find_image_header(image)->has_value());
  header.image_bytes = 0x401;
  put();
  EXPECT_EQ(find_image_header(image).error(), Errc::malformed);
  header.image_bytes = 0x400;
  header.format = 2;
  put();
  EXPECT_EQ(find_image_header(image).error(), Errc::unsupported);
}

TEST(Bundles, AreViewsIntoTheFile) {
  const auto model = fw::flashtest::make_model(fw::flashtest::noise(5000, 1));
  Bytes file(16 + 512 + 64 + 5000);
  const auto put = [&](std::size_t at, std::span<const std::byte> bytes) {
    std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(at));
  };
  put(0, fields(std::array<char, 4>{'T', 'M', 'L', 'U'}, std::uint16_t{1}, std::uint16_t{1}, std::uint32_t{16},
                std::uint32_t{512 + 64 + 5000}));
  put(16, model.manifest_bytes());
  put(16 + 512, model.list_bytes());
  put(16 + 512 + 64, std::as_bytes(std::span(model.payload)));
  const auto bundle = parse_bundle(file);
  ASSERT_TRUE(bundle);
  ASSERT_EQ(bundle->count, 1U);
  EXPECT_EQ(bundle->objects[0].payload.data(), file.data() + 16 + 512 + 64);
  EXPECT_EQ(bundle->objects[0].list.size(), 64U);
  for (std::size_t size = 0; size < file.size(); size += 61)
    EXPECT_FALSE(parse_bundle(std::span(file).first(size))) << size;
  put(8, fields(std::uint32_t{15}));
  EXPECT_FALSE(parse_bundle(file));
  put(8, fields(std::uint32_t{16}, std::uint32_t{512 + 64 + 4999}));
  EXPECT_FALSE(parse_bundle(file));
}

TEST(BootEvents, HaveNames) {
  for (std::uint8_t n = 0; n <= 8; ++n) EXPECT_NE(text(static_cast<BootEvent>(n)), "unknown");
  EXPECT_EQ(text(static_cast<BootEvent>(9)), "unknown");
}

}  // namespace
}  // namespace tml::wire::flash
