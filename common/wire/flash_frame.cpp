// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/flash_frame.hpp"

#include <array>

#include "common/wire/crc.hpp"
#include "common/wire/fields.hpp"
#include "common/wire/flash_link.hpp"

namespace tml::wire::flash {
namespace {

constexpr std::size_t kCrcBytes = 4;

Crc32c crc_of_session(std::uint16_t session) {
  Crc32c crc;
  crc.update(static_cast<std::uint8_t>(session));
  crc.update(static_cast<std::uint8_t>(session >> 8U));
  return crc;
}

// `head` must hold kMaxFrameOverhead - kCrcBytes bytes.
std::span<const std::byte> write_head(const Frame& frame, std::span<std::byte> head) {
  FieldWriter out(head);
  out.put(frame.kind);
  switch (frame.kind) {
    case Kind::request:
      out.put(frame.id).put(frame.op);
      break;
    case Kind::reply:
      out.put(frame.id).put(frame.op).put(frame.status);
      break;
    case Kind::data_raw:
      out.put(frame.granule);
      break;
    case Kind::data_deflate:
    case Kind::data_delta:
      out.put(frame.granule).put(static_cast<std::uint16_t>(frame.encoded_bytes - 1U));
      break;
    case Kind::ack:
      break;
    case Kind::event:
      out.put(frame.op);
      break;
  }
  return *out.finish();
}

bool is_hello(const Frame& frame) {
  return (frame.kind == Kind::request || frame.kind == Kind::reply) && frame.op == static_cast<std::uint8_t>(Op::hello);
}

// Whether the bytes are whole granules of one chunk, as far as that can be told without knowing the object.
bool data_fits(const Frame& frame) {
  if (frame.payload.empty() || frame.granule >= kMaxChunks * kGranulesPerChunk) return false;
  const std::size_t end = frame.granule % kGranulesPerChunk * kGranuleBytes + frame.payload.size();
  if (frame.kind == Kind::data_raw) return end <= kChunkBytes;
  if (frame.encoded_bytes == 0 || frame.encoded_bytes > kChunkBytes || end > frame.encoded_bytes) return false;
  return frame.payload.size() % kGranuleBytes == 0 || end == frame.encoded_bytes;
}

Result<Frame> read_body(std::span<const std::byte> body) {
  Frame frame;
  FieldReader in(body);
  in.get(frame.kind);
  std::uint16_t size_less_one = 0;
  bool known = true;
  switch (frame.kind) {
    case Kind::request:
      in.get(frame.id).get(frame.op);
      known = frame.id != 0;
      break;
    case Kind::reply:
      in.get(frame.id).get(frame.op).get(frame.status);
      known = frame.id != 0;
      break;
    case Kind::data_raw:
      in.get(frame.granule);
      break;
    case Kind::data_deflate:
    case Kind::data_delta:
      in.get(frame.granule).get(size_less_one);
      if (size_less_one >= kChunkBytes) known = false;
      frame.encoded_bytes = static_cast<std::uint16_t>(size_less_one + 1U);
      break;
    case Kind::ack:
      break;
    case Kind::event:
      in.get(frame.op);
      break;
    default:
      known = false;
  }
  frame.payload = in.rest();
  if (!known || !in.ok() || frame.payload.size() > kMaxFramePayload) return fail(Errc::malformed);
  const bool data = frame.kind == Kind::data_raw || frame.kind == Kind::data_deflate || frame.kind == Kind::data_delta;
  if (data && !data_fits(frame)) return fail(Errc::malformed);
  return frame;
}

}  // namespace

Result<std::size_t> encode_frame(const Frame& frame, std::uint16_t session, bool leading_zero,
                                 std::span<std::byte> out) {
  if (frame.payload.size() > kMaxFramePayload) return fail(Errc::overflow);
  if (leading_zero) {
    if (out.empty()) return fail(Errc::overflow);
    out[0] = std::byte{0};
    out = out.subspan(1);
  }
  std::array<std::byte, kMaxFrameOverhead - kCrcBytes> head_room{};
  const auto head = write_head(frame, head_room);
  Crc32c crc = crc_of_session(session);
  crc.update(head);
  crc.update(frame.payload);
  std::array<std::byte, kCrcBytes> tail{};
  CobsEncoder cobs(out);
  cobs.put(head);
  cobs.put(frame.payload);
  cobs.put(*FieldWriter(tail).put(crc.value()).finish());
  const auto size = cobs.finish(true);
  if (!size) return fail(size.error());
  return *size + (leading_zero ? 1U : 0U);
}

Result<Parsed> parse_frame(std::span<const std::byte> decoded, std::uint16_t session, bool accept_hello) {
  // The shortest body that is a frame is the kind of an empty acknowledgement.
  if (decoded.size() < 1 + kCrcBytes) return fail(Errc::bad_checksum);
  const auto body = decoded.first(decoded.size() - kCrcBytes);
  std::uint32_t sent = 0;
  FieldReader(decoded.last(kCrcBytes)).get(sent);
  const auto made_with = [&](std::uint16_t candidate) {
    Crc32c crc = crc_of_session(candidate);
    crc.update(body);
    return crc.value() == sent;
  };
  if (session != 0 && made_with(session)) {
    const auto frame = read_body(body);
    if (!frame) return fail(frame.error());
    if (is_hello(*frame)) return fail(Errc::malformed);
    return Parsed{*frame, session};
  }
  if (!accept_hello || !made_with(0)) return fail(Errc::bad_checksum);
  const auto frame = read_body(body);
  if (!frame) return fail(frame.error());
  if (!is_hello(*frame)) return fail(Errc::malformed);
  return Parsed{*frame, 0};
}

}  // namespace tml::wire::flash
