// SPDX-License-Identifier: Apache-2.0
#include "forwarder/byte_log.hpp"

#include <algorithm>
#include <limits>

#include "common/wire/crc.hpp"

namespace tml::forwarder {
namespace {

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>(value | 0x80U);
    value >>= 7U;
  }
  out += static_cast<char>(value);
}

std::uint16_t crc_of(std::string_view bytes) {
  wire::Crc16Ccitt crc;
  crc.update(std::as_bytes(std::span(bytes)));
  return crc.value();
}

constexpr std::size_t kCrcBytes = 2;

}  // namespace

void ByteLogWriter::add(LogKind kind, stream::Time at, std::string_view payload, std::string& out) {
  do {
    const std::string_view part = payload.substr(0, kMaxLogPayload);
    payload.remove_prefix(part.size());
    const std::size_t begin = out.size();
    at = std::max(at, last_);
    out += static_cast<char>(kind);
    append_varint(out, static_cast<std::uint64_t>((at - last_).count()));
    append_varint(out, part.size());
    out += part;
    const std::uint16_t crc = crc_of(std::string_view(out).substr(begin));
    out += static_cast<char>(crc & 0xFFU);
    out += static_cast<char>(crc >> 8U);
    last_ = at;
  } while (!payload.empty());
}

void ByteLogReader::push(std::string_view bytes) {
  consumed_ += at_;
  buffer_.erase(0, at_);
  at_ = 0;
  buffer_ += bytes;
}

std::optional<std::uint64_t> ByteLogReader::varint(std::size_t& at, bool& damaged) const {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (at >= buffer_.size()) return std::nullopt;
    const auto byte = static_cast<std::uint8_t>(buffer_[at++]);
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if ((byte & 0x80U) == 0) return value;
  }
  damaged = true;
  return std::nullopt;
}

tl::unexpected<Error> ByteLogReader::damaged(std::string what) {
  broken_ = true;
  return fail(Errc::malformed, std::move(what), "byte " + std::to_string(consumed_ + at_));
}

Result<std::optional<LogRecord>> ByteLogReader::next() {
  if (broken_) return std::nullopt;
  if (!begun_) {
    const std::size_t have = std::min(buffer_.size(), kByteLogMagic.size());
    if (buffer_.compare(0, have, kByteLogMagic, 0, have) != 0) return damaged("this is no byte log");
    if (have < kByteLogMagic.size()) return std::nullopt;
    at_ = have;
    begun_ = true;
  }
  std::size_t at = at_;
  if (at >= buffer_.size()) return std::nullopt;
  LogRecord record;
  record.kind = buffer_[at++];
  bool too_long = false;
  const auto ns = varint(at, too_long);
  const auto length = ns ? varint(at, too_long) : std::nullopt;
  if (too_long || (length && *length > kMaxLogPayload)) return damaged("a record of the byte log is damaged");
  if (!length || buffer_.size() - at < *length + kCrcBytes) return std::nullopt;
  constexpr auto kLatest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (*ns > kLatest - static_cast<std::uint64_t>(last_.count())) return damaged("a record of the byte log is damaged");
  record.payload = std::string_view(buffer_).substr(at, static_cast<std::size_t>(*length));
  at += record.payload.size();
  const auto low = static_cast<std::uint8_t>(buffer_[at]);
  const auto high = static_cast<std::uint8_t>(buffer_[at + 1]);
  if (crc_of(std::string_view(buffer_).substr(at_, at - at_)) != (low | high << 8U))
    return damaged("a record of the byte log does not match its checksum");
  last_ += stream::Time(static_cast<std::int64_t>(*ns));
  record.at = last_;
  at_ = at + kCrcBytes;
  return record;
}

}  // namespace tml::forwarder
