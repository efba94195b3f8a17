// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The frame parser on any bytes, and every payload decoder: what is accepted is encoded to the same bytes again.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

#include "common/wire/crc.hpp"
#include "common/wire/flash_link.hpp"

namespace {

using namespace tml::wire::flash;  // NOLINT(google-build-using-namespace): one file, all of it

template <class T>
void payload(std::span<const std::byte> bytes) {
  T value;
  auto rest = bytes;
  if (!decode(rest, value)) return;
  std::array<std::byte, 1024> room{};
  const auto again = encode(value, room);
  if (!again || again->size() + rest.size() != bytes.size()) std::abort();
  if (std::memcmp(again->data(), bytes.data(), again->size()) != 0) std::abort();
}

void frame(std::span<const std::byte> decoded, std::uint16_t session) {
  const auto parsed = parse_frame(decoded, session, true);
  if (!parsed) return;
  std::array<std::byte, kMaxEncodedFrame> room{};
  const auto size = encode_frame(parsed->frame, parsed->session, false, room);
  if (!size) std::abort();
  std::array<std::byte, kMaxFrameBytes> memory{};
  tml::wire::CobsDecoder decoder(memory);
  auto last = tml::wire::CobsDecoder::Event::none;
  for (const std::byte byte : std::span(room).first(*size)) last = decoder.push(byte);
  if (last != tml::wire::CobsDecoder::Event::frame || decoder.frame().size() != decoded.size()) std::abort();
  if (std::memcmp(decoder.frame().data(), decoded.data(), decoded.size()) != 0) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  payload<Hello>(bytes);
  payload<Identity>(bytes);
  payload<DeviceStatus>(bytes);
  payload<SlotInfo>(bytes);
  payload<Begin>(bytes);
  payload<Begun>(bytes);
  payload<Copy>(bytes);
  payload<Select>(bytes);
  payload<Counters>(bytes);
  payload<KeyFacts>(bytes);
  payload<Ack>(bytes);
  frame(bytes, 0);
  // With the CRC that belongs to it: grammar is what is left to check.
  if (size == 0 || size > kMaxFrameBytes - 4) return 0;
  std::array<std::byte, kMaxEncodedFrame> room{};
  std::memcpy(room.data(), data, size);
  tml::wire::Crc32c crc;
  crc.update(std::uint8_t{0x34});
  crc.update(std::uint8_t{0x12});
  crc.update(bytes);
  for (std::size_t i = 0; i < 4; ++i) room[size + i] = static_cast<std::byte>(crc.value() >> (8 * i));
  frame(std::span(room).first(size + 4), 0x1234);
  return 0;
}
