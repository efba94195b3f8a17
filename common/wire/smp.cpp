// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/smp.hpp"

#include <algorithm>

#include "common/wire/base64.hpp"

namespace tml::wire::smp {
namespace {

constexpr std::array<std::uint8_t, 2> kFirstMarker{0x06, 0x09};
constexpr std::array<std::uint8_t, 2> kNextMarker{0x04, 0x14};
constexpr std::size_t kLengthBytes = 2;
constexpr std::size_t kCrcBytes = 2;
constexpr std::size_t kMaxPacket = 0xFFFF - kCrcBytes;

constexpr std::array<std::string_view, 14> kRcTexts{"no error",
                                                    "unknown error",
                                                    "out of memory",
                                                    "invalid argument",
                                                    "timeout",
                                                    "no such entry",
                                                    "not possible now",
                                                    "too large",
                                                    "not supported",
                                                    "corrupt",
                                                    "busy",
                                                    "access denied",
                                                    "the client is too old",
                                                    "the client is too new"};

constexpr std::uint8_t kNoDigit = 0xFF;

std::uint8_t digit(std::uint8_t c) {
  if (c >= 'A' && c <= 'Z') return static_cast<std::uint8_t>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<std::uint8_t>(c - 'a' + 26);
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0' + 52);
  if (c == '+') return 62;
  if (c == '/') return 63;
  return kNoDigit;
}

std::uint16_t big_endian(std::span<const std::byte> bytes, std::size_t at) {
  return static_cast<std::uint16_t>((static_cast<unsigned>(bytes[at]) << 8U) | static_cast<unsigned>(bytes[at + 1]));
}

void put_big_endian(std::uint16_t value, std::span<std::byte> out, std::size_t at) {
  out[at] = static_cast<std::byte>(value >> 8U);
  out[at + 1] = static_cast<std::byte>(value & 0xFFU);
}

// What the lines carry: length, packet and CRC as one run of bytes.
class Carried {
 public:
  Carried(std::span<const std::byte> packet, std::uint16_t crc) : packet_(packet), crc_(crc) {}
  [[nodiscard]] std::size_t size() const { return kLengthBytes + packet_.size() + kCrcBytes; }
  [[nodiscard]] std::byte at(std::size_t i) const {
    const std::size_t announced = packet_.size() + kCrcBytes;
    if (i < kLengthBytes) return static_cast<std::byte>(i == 0 ? announced >> 8U : announced);
    i -= kLengthBytes;
    if (i < packet_.size()) return packet_[i];
    return static_cast<std::byte>(i == packet_.size() ? crc_ >> 8U : crc_);
  }

 private:
  std::span<const std::byte> packet_;
  unsigned crc_;
};

}  // namespace

std::string_view rc_text(std::uint64_t rc) { return rc < kRcTexts.size() ? kRcTexts[rc] : std::string_view(); }

void put_header(const Header& header, std::span<std::byte, kHeaderBytes> out) {
  out[0] = static_cast<std::byte>(std::uint32_t{header.version} << 3U | static_cast<std::uint32_t>(header.op));
  out[1] = std::byte{0};
  put_big_endian(header.body_bytes, out, 2);
  put_big_endian(header.group, out, 4);
  out[6] = static_cast<std::byte>(header.sequence);
  out[7] = static_cast<std::byte>(header.id);
}

Result<Header> parse_header(std::span<const std::byte> packet) {
  if (packet.size() < kHeaderBytes) return fail(Errc::truncated);
  const auto first = static_cast<std::uint8_t>(packet[0]);
  if ((first & 0xE0U) != 0 || (first & 0x07U) > 3) return fail(Errc::malformed);
  Header header;
  header.version = first >> 3U & 3U;
  if (header.version > 1) return fail(Errc::unsupported);
  header.op = static_cast<Op>(first & 3U);
  header.body_bytes = big_endian(packet, 2);
  if (header.body_bytes != packet.size() - kHeaderBytes) return fail(Errc::malformed);
  header.group = big_endian(packet, 4);
  header.sequence = static_cast<std::uint8_t>(packet[6]);
  header.id = static_cast<std::uint8_t>(packet[7]);
  return header;
}

std::size_t encoded_bytes(std::size_t packet_bytes) {
  const std::size_t carried = kLengthBytes + packet_bytes + kCrcBytes;
  const std::size_t lines = (carried + kLinePayload - 1) / kLinePayload;
  return base64_encoded_size(carried) + lines * (kFirstMarker.size() + 1);
}

Result<std::size_t> encode_lines(std::span<const std::byte> packet, std::span<std::byte> out) {
  if (packet.size() > kMaxPacket) return fail(Errc::limit);
  if (out.size() < encoded_bytes(packet.size())) return fail(Errc::overflow);
  const Carried carried(packet, Crc16Xmodem::of(packet));
  std::size_t size = 0;
  for (std::size_t at = 0; at < carried.size();) {
    const auto& marker = at == 0 ? kFirstMarker : kNextMarker;
    for (const std::uint8_t byte : marker) out[size++] = static_cast<std::byte>(byte);
    const std::size_t end = std::min(at + kLinePayload, carried.size());
    while (at < end) {
      std::array<std::byte, 3> group{};
      const std::size_t count = std::min(group.size(), end - at);
      for (std::size_t i = 0; i < count; ++i) group[i] = carried.at(at + i);
      std::array<char, 4> characters{};
      static_cast<void>(base64_encode(std::span<const std::byte>(group).first(count), characters));
      for (const char c : characters) out[size++] = static_cast<std::byte>(c);
      at += count;
    }
    out[size++] = std::byte{'\n'};
  }
  return size;
}

void Assembler::reset() {
  state_ = State::start;
  open_ = false;
  packet_ = {};
}

void Assembler::use(std::span<std::byte> memory) {
  memory_ = memory;
  open_ = false;
}

Assembler::Event Assembler::push(std::uint8_t byte) {
  const bool line_end = byte == '\n' || byte == '\r';
  switch (state_) {
    case State::marker:
      if (byte == (marker_ == kFirstMarker[0] ? kFirstMarker[1] : kNextMarker[1])) {
        begin_line(marker_ == kFirstMarker[0]);
        return Event::inside;
      }
      state_ = State::elsewhere;
      [[fallthrough]];
    case State::elsewhere:
      if (!line_end && byte != 0) return Event::outside;
      state_ = State::start;
      return Event::outside;
    case State::start:
      if (line_end || byte == 0) return Event::outside;
      marker_ = byte;
      state_ = byte == kFirstMarker[0] || (byte == kNextMarker[0] && open_) ? State::marker : State::elsewhere;
      return Event::outside;
    case State::line:
      break;
  }
  if (line_end) {
    state_ = State::start;
    return end_line();
  }
  if (byte == 0) {  // no line has one: a frame begins
    reset();
    return Event::outside;
  }
  take(byte);
  return Event::inside;
}

void Assembler::begin_line(bool first) {
  state_ = State::line;
  first_ = first;
  failed_ = false;
  characters_ = 0;
  padding_ = 0;
  group_ = 0;
  packet_ = {};
  if (!first) return;
  open_ = true;
  size_ = 0;
  announced_ = 0;
  length_bytes_ = 0;
}

void Assembler::fail_with(Errc error) {
  if (!failed_) error_ = error;
  failed_ = true;
}

void Assembler::store(std::uint8_t byte) {
  if (length_bytes_ < kLengthBytes) {
    announced_ = announced_ << 8U | byte;
    if (++length_bytes_ < kLengthBytes) return;
    if (announced_ > memory_.size()) fail_with(Errc::limit);
    if (announced_ <= kCrcBytes) fail_with(Errc::malformed);
    return;
  }
  if (failed_) return;
  if (size_ >= announced_) return fail_with(Errc::malformed);
  memory_[size_++] = static_cast<std::byte>(byte);
}

void Assembler::take(std::uint8_t character) {
  if (failed_) return;
  if (characters_ == kLineCharacters) return fail_with(Errc::limit);
  ++characters_;
  std::uint8_t value = 0;
  if (character == '=') {
    if (characters_ % 4 == 1 || characters_ % 4 == 2) return fail_with(Errc::bad_padding);
    ++padding_;
  } else {
    if (padding_ > 0) return fail_with(Errc::bad_padding);
    value = digit(character);
    if (value == kNoDigit) return fail_with(Errc::bad_character);
  }
  group_ = (group_ << 6U | value) & 0xFFFFFFU;
  if (characters_ % 4 != 0) return;
  store(static_cast<std::uint8_t>(group_ >> 16U));
  if (padding_ < 2) store(static_cast<std::uint8_t>(group_ >> 8U & 0xFFU));
  if (padding_ < 1) store(static_cast<std::uint8_t>(group_ & 0xFFU));
}

Assembler::Event Assembler::end_line() {
  if (characters_ % 4 != 0) fail_with(Errc::truncated);
  if (!failed_ && length_bytes_ < kLengthBytes) fail_with(Errc::truncated);
  if (!failed_ && size_ < announced_) return Event::inside;
  open_ = false;
  if (!failed_ && Crc16Xmodem::of(memory_.first(size_)) != 0) fail_with(Errc::bad_checksum);
  if (failed_) return Event::rejected;
  packet_ = memory_.first(size_ - kCrcBytes);
  return Event::packet;
}

}  // namespace tml::wire::smp
