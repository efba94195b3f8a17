// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/acquisition.hpp"

#include <bit>
#include <cstring>

#include "common/wire/cbor.hpp"
#include "common/wire/hex.hpp"

namespace tml::wire {
namespace {

constexpr std::string_view kBulkReference = "Ref-BINARY-i16";
constexpr std::size_t kMaxItem = 9;  // head of any CBOR item, and the largest number
constexpr std::size_t kSmallestScratch = 16;

constexpr std::array<std::byte, kSignatureSize> kZeroSignature = [] {
  std::array<std::byte, kSignatureSize> zeros{};
  zeros.fill(std::byte{'0'});
  return zeros;
}();

void number(CborWriter& writer, float value) { writer.real(static_cast<double>(value)); }
void number(CborWriter& writer, std::int16_t value) { writer.integer(value); }

}  // namespace

std::size_t acquisition_header_bound(const AcquisitionHeader& header) {
  // Keys, heads, zeros, nonce and iat come to under 320 bytes; each sensor adds its keys and heads.
  std::size_t bound = 320 + header.device_name.size() + header.device_type.size();
  for (const AcquisitionSensor& sensor : header.sensors) bound += 32 + sensor.name.size() + sensor.units.size();
  return bound;
}

AcquisitionWriter::AcquisitionWriter(Mac& mac, ByteSink sink, std::span<std::byte> scratch)
    : mac_(mac), sink_(sink), scratch_(scratch) {}

Result<void> AcquisitionWriter::give_up(Errc code) {
  state_ = State::failed;
  error_ = code;
  return fail(code);
}

Result<void> AcquisitionWriter::flush() {
  if (state_ == State::failed) return fail(error_);
  if (held_ == 0) return {};
  const auto bytes = std::span<const std::byte>(scratch_).first(held_);
  held_ = 0;
  mac_.update(bytes);
  if (const auto taken = sink_(bytes); !taken) return give_up(taken.error());
  return {};
}

Result<void> AcquisitionWriter::emit(std::span<const std::byte> bytes) {
  if (state_ == State::failed) return fail(error_);
  size_ += bytes.size();
  while (!bytes.empty()) {
    const std::size_t room = scratch_.size() - held_;
    const std::size_t count = bytes.size() < room ? bytes.size() : room;
    std::memcpy(scratch_.data() + held_, bytes.data(), count);
    held_ += count;
    bytes = bytes.subspan(count);
    if (held_ == scratch_.size()) {
      if (const auto flushed = flush(); !flushed) return flushed;
    }
  }
  return {};
}

// An item is encoded in place; failures stick in state_, so a row of items is checked once at its end.
template <class Encode>
void AcquisitionWriter::item(Encode encode) {
  if (state_ == State::failed) return;
  if (scratch_.size() - held_ < kMaxItem && !flush()) return;
  CborWriter writer(scratch_.subspan(held_));
  encode(writer);
  held_ += writer.size();
  size_ += writer.size();
}

void AcquisitionWriter::text(std::string_view value) {
  item([value](CborWriter& writer) { writer.text_head(value.size()); });
  (void)emit(as_bytes(value));
}

Result<void> AcquisitionWriter::begin(const AcquisitionHeader& header) { return start(header, false, 1); }

Result<void> AcquisitionWriter::begin_bulk_i16(const AcquisitionHeader& header, std::size_t alignment) {
  if (state_ == State::failed) return fail(error_);
  if (header.sensors.size() != 1 || alignment == 0 || alignment > 8 || !std::has_single_bit(alignment)) {
    return give_up(Errc::malformed);
  }
  return start(header, true, alignment);
}

Result<void> AcquisitionWriter::start(const AcquisitionHeader& header, bool bulk, std::size_t alignment) {
  if (state_ == State::failed) return fail(error_);
  if (state_ != State::fresh) return give_up(Errc::bad_state);
  if (scratch_.size() < kSmallestScratch) return give_up(Errc::overflow);
  if (header.sensors.empty()) return give_up(Errc::malformed);
  axes_ = header.sensors.size();
  const auto map = [this](std::size_t pairs) { item([pairs](CborWriter& writer) { writer.map(pairs); }); };
  const auto field = [this](std::string_view key, std::string_view value) {
    text(key);
    text(value);
  };

  map(3);
  text("protected");
  map(2U + (header.iat ? 1U : 0U) + (header.nonce ? 1U : 0U));
  field("ver", "v1");
  field("alg", "HS256");
  if (header.iat) {
    text("iat");
    item([&header](CborWriter& writer) { writer.integer(*header.iat); });
  }
  if (header.nonce) {
    std::array<char, 32> digits{};
    (void)hex_encode(*header.nonce, digits);
    field("nonce", {digits.data(), digits.size()});
  }
  text("signature");
  item([](CborWriter& writer) { writer.text_head(kSignatureSize); });
  signature_offset_ = static_cast<std::size_t>(size_);
  (void)emit(kZeroSignature);

  text("payload");
  map(header.device_name.empty() ? 4 : 5);
  if (!header.device_name.empty()) field("device_name", header.device_name);
  field("device_type", header.device_type);
  text("interval_ms");
  item([&header](CborWriter& writer) { writer.real(header.interval_ms); });
  text("sensors");
  item([this](CborWriter& writer) { writer.array(axes_); });
  for (const AcquisitionSensor& sensor : header.sensors) {
    map(2);
    field("name", sensor.name);
    field("units", sensor.units);
  }
  text("values");
  item([](CborWriter& writer) { writer.array_indefinite(); });
  if (bulk) {
    // Text head, reference, blanks, break: the samples begin behind them.
    const std::uint64_t end = size_ + 1 + kBulkReference.size() + 1;
    const auto blanks = static_cast<std::size_t>((alignment - end % alignment) % alignment);
    item([blanks](CborWriter& writer) { writer.text_head(kBulkReference.size() + blanks); });
    (void)emit(as_bytes(kBulkReference));
    (void)emit(as_bytes(std::string_view("       ").substr(0, blanks)));
    item([](CborWriter& writer) { writer.end(); });
  }
  if (const auto flushed = flush(); !flushed) return flushed;
  state_ = bulk ? State::bulk : State::values;
  return {};
}

template <class Value>
Result<void> AcquisitionWriter::rows(std::span<const Value> values) {
  if (state_ == State::failed) return fail(error_);
  if (state_ != State::values) return give_up(Errc::bad_state);
  if (values.size() % axes_ != 0) return give_up(Errc::malformed);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (axes_ > 1 && i % axes_ == 0) item([this](CborWriter& writer) { writer.array(axes_); });
    item([value = values[i]](CborWriter& writer) { number(writer, value); });
  }
  if (state_ == State::failed) return fail(error_);
  count_ += values.size() / axes_;
  return {};
}

Result<void> AcquisitionWriter::bulk(std::span<const std::int16_t> values) {
  for (const std::int16_t value : values) {
    const auto bits = static_cast<std::uint16_t>(value);
    const std::array<std::byte, 2> bytes{static_cast<std::byte>(bits & 0xFFU), static_cast<std::byte>(bits >> 8U)};
    if (const auto taken = emit(bytes); !taken) return taken;
  }
  count_ += values.size();
  return {};
}

Result<void> AcquisitionWriter::readings(std::span<const float> values) { return rows(values); }

Result<void> AcquisitionWriter::readings(std::span<const std::int16_t> values) {
  return state_ == State::bulk ? bulk(values) : rows(values);
}

Result<void> AcquisitionWriter::reading(std::span<const float> values) {
  if (state_ == State::values && values.size() != axes_) return give_up(Errc::malformed);
  return readings(values);
}

Result<void> AcquisitionWriter::reading(std::span<const std::int16_t> values) {
  if ((state_ == State::values || state_ == State::bulk) && values.size() != axes_) return give_up(Errc::malformed);
  return readings(values);
}

Result<SignatureHex> AcquisitionWriter::finish() {
  if (state_ == State::failed) return fail(error_);
  if (state_ != State::values && state_ != State::bulk) {
    (void)give_up(Errc::bad_state);
    return fail(error_);
  }
  if (state_ == State::values) item([](CborWriter& writer) { writer.end(); });
  if (const auto flushed = flush(); !flushed) return fail(flushed.error());
  state_ = State::finished;
  std::array<std::byte, 32> digest{};
  mac_.finish(digest);
  SignatureHex hex{};
  (void)hex_encode(digest, hex);
  return hex;
}

}  // namespace tml::wire
