// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/stream_encoder.hpp"

#include <algorithm>
#include <bit>

#include "common/wire/bytes.hpp"
#include "common/wire/number.hpp"

namespace tml::fw::app {
namespace {

constexpr std::array<std::string_view, 3> kForms{"text", "frames", "batch"};
constexpr std::size_t kNumberChars = 16;  // wire::format_shortest
constexpr double kMaxU16 = 65535;
constexpr double kMaxU32 = 4294967295.0;
constexpr double kMicros = 1e6;
// Session info at its longest: 20 names and the sensor's; an "sd" with 20 floats is shorter.
constexpr std::size_t kMaxSmallCbor = 256;

constexpr double kTextBytesPerFloat = 11;
constexpr double kTextBytesPerSample = 8;
// {"t":"sd","d":{"seq":u32,"ts":u32,"val":[]}}, length, CRC, COBS code, delimiter.
constexpr double kFrameBytes = 31 + 6;
constexpr double kFrameBytesPerFloat = 5;
constexpr double kBatchFrameBytes = static_cast<double>(wire::kMaxBatchHead) + 6;
constexpr double kCobsShare = 255.0 / 254;

static_assert(hal::kMaxAxes <= wire::kMaxStreamChannels);
static_assert(hal::kMaxAxes * (kNumberChars + 1) + 2 <= StreamEncoder::kMaxPiece);
static_assert(wire::kMaxBatchHead + StreamEncoder::kBatchBytes <= wire::kMaxStreamCbor);

std::uint32_t load(std::span<const std::byte> from, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= std::to_integer<std::uint32_t>(from[i]) << (8U * i);
  return value;
}

void store(std::uint32_t value, std::span<std::byte> into) {
  for (std::size_t i = 0; i < into.size(); ++i) into[i] = static_cast<std::byte>(value >> (8U * i) & 0xFFU);
}

std::size_t reading_bytes(const hal::SensorInfo& info) {
  return info.form == hal::SampleForm::i16_audio ? 2 : info.axes.size() * 4;
}

std::size_t batch_readings(const hal::SensorInfo& info, double hz) {
  const std::size_t fit = StreamEncoder::kBatchBytes / reading_bytes(info);
  const double wanted = hz * StreamEncoder::kBatchSeconds;
  return wanted >= static_cast<double>(fit) ? fit : std::max<std::size_t>(1, static_cast<std::size_t>(wanted));
}

using ShortName = decltype(wire::SessionInfo::channel_names)::value_type;
constexpr std::size_t kShort = ShortName::capacity();
static_assert(hal::kMaxAxes < 100, "short_names() counts with two digits");

/// Names that fit stay. A longer one becomes its first five characters unless another axis begins alike; then its first
/// four and its last; and where that is taken, its first three and a number, from the axis' own on.
void short_names(std::span<const hal::Axis> axes, std::span<ShortName> names) {
  for (std::size_t i = 0; i < axes.size(); ++i) names[i] = axes[i].name.size() <= kShort ? axes[i].name : "";
  const auto taken = [names](std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::string_view name = axes[i].name;
    if (name.size() <= kShort) continue;
    const std::string_view head = name.substr(0, kShort);
    const auto alike = [head](const hal::Axis& axis) { return std::string_view(axis.name).substr(0, kShort) == head; };
    ShortName chosen = head;
    if (std::count_if(axes.begin(), axes.end(), alike) > 1) {
      chosen = name.substr(0, kShort - 1);
      (void)chosen.push_back(name.back());
    }
    for (std::size_t number = i + 1; taken(chosen); ++number) {
      chosen = name.substr(0, kShort - 2);
      (void)chosen.push_back(static_cast<char>('0' + number / 10 % 10));
      (void)chosen.push_back(static_cast<char>('0' + number % 10));
    }
    names[i] = chosen;
  }
}

}  // namespace

std::optional<StreamForm> stream_form(std::string_view word) {
  const auto* const found = std::find(kForms.begin(), kForms.end(), word);
  if (found == kForms.end()) return std::nullopt;
  return static_cast<StreamForm>(found - kForms.begin());
}

std::string_view stream_form_name(StreamForm form) { return kForms[static_cast<std::size_t>(form)]; }

StreamForm default_stream_form(const hal::SensorInfo& info) {
  return info.form == hal::SampleForm::i16_audio ? StreamForm::batch : StreamForm::text;
}

double StreamEncoder::bytes_per_second(const hal::SensorInfo& info, StreamForm form, double hz) {
  const bool audio = info.form == hal::SampleForm::i16_audio;
  const auto axes = static_cast<double>(info.axes.size());
  switch (form) {
    case StreamForm::text:
      return hz * (audio ? kTextBytesPerSample : axes * kTextBytesPerFloat + 1);
    case StreamForm::frames:
      return hz * (kFrameBytes + axes * kFrameBytesPerFloat);
    case StreamForm::batch:
      break;
  }
  const double share = kBatchFrameBytes / static_cast<double>(batch_readings(info, hz));
  return hz * (static_cast<double>(reading_bytes(info)) + share) * kCobsShare;
}

void StreamEncoder::begin(const hal::SensorInfo& info, StreamForm form, double hz, std::uint32_t sid, bool crc) {
  info_ = &info;
  form_ = form;
  hz_ = hz;
  sid_ = sid;
  crc_ = crc;
  capacity_ = form == StreamForm::batch ? batch_readings(info, hz) : 1;
  (void)discard();
}

std::string_view StreamEncoder::session(std::uint32_t dropped) {
  if (form_ == StreamForm::text) {
    std::size_t size = 0;
    const auto put = [this, &size](std::string_view text) {
      const std::size_t count = std::min(text.size(), piece_.size() - size);
      std::copy_n(wire::as_bytes(text).begin(), count, piece_.begin() + static_cast<std::ptrdiff_t>(size));
      size += count;
    };
    for (std::size_t i = 0; i < info_->axes.size(); ++i) {
      if (i > 0) put(",");
      put(info_->axes[i].name);
    }
    put("\r\n");
    return wire::as_text(std::span<const std::byte>(piece_).first(size));
  }
  wire::SessionInfo info;
  info.sid = sid_;
  // Never 0: readers divide by it.
  info.hz = static_cast<std::uint16_t>(std::clamp(hz_ + 0.5, 1.0, kMaxU16));
  info.channels = static_cast<std::uint8_t>(info_->axes.size());
  info.channel_name_count = info.channels;
  short_names(info_->axes, std::span(info.channel_names).first(info.channels));
  info.dropped = dropped;
  info.name = info_->name;
  std::array<std::byte, kMaxSmallCbor> cbor;  // NOLINT: written before it is read
  return frame(wire::encode_stream_item(info, cbor), {});
}

void StreamEncoder::keep(std::uint32_t seq, std::uint32_t ts_ms) {
  if (kept_++ > 0) return;
  first_seq_ = seq;
  first_ts_ms_ = ts_ms;
}

void StreamEncoder::add(std::uint32_t seq, std::uint32_t ts_ms, std::span<const float> row) {
  if (full()) return;
  keep(seq, ts_ms);
  for (const float value : row) {
    store(std::bit_cast<std::uint32_t>(value), std::span(data_).subspan(data_size_, 4));
    data_size_ += 4;
  }
}

void StreamEncoder::add(std::uint32_t seq, std::uint32_t ts_ms, std::int16_t sample) {
  if (full()) return;
  keep(seq, ts_ms);
  store(static_cast<std::uint16_t>(sample), std::span(data_).subspan(data_size_, 2));
  data_size_ += 2;
}

std::size_t StreamEncoder::discard() {
  const std::size_t count = kept_;
  kept_ = 0;
  data_size_ = 0;
  return count;
}

std::string_view StreamEncoder::encode() {
  if (kept_ == 0) return {};
  std::string_view bytes;
  switch (form_) {
    case StreamForm::text:
      bytes = text_line();
      break;
    case StreamForm::frames:
      bytes = sensor_frame();
      break;
    case StreamForm::batch:
      bytes = batch_frame();
      break;
  }
  (void)discard();
  return bytes;
}

float StreamEncoder::stored_float(std::size_t index) const {
  return std::bit_cast<float>(load(std::span(data_).subspan(index * 4), 4));
}

std::int16_t StreamEncoder::stored_sample() const {
  return static_cast<std::int16_t>(static_cast<std::uint16_t>(load(data_, 2)));
}

std::string_view StreamEncoder::text_line() {
  auto* const out = reinterpret_cast<char*>(piece_.data());
  std::size_t size = 0;
  for (std::size_t i = 0; i < info_->axes.size(); ++i) {
    if (i > 0) out[size++] = ',';
    const std::span<char> room(out + size, kNumberChars);
    const auto written =
        audio() ? wire::format_signed(stored_sample(), room) : wire::format_shortest(stored_float(i), room);
    // A sensor that gives no number gives no reading that a host could take either; the line stays one line.
    if (written) {
      size += *written;
    } else {
      for (const char c : std::string_view("nan")) out[size++] = c;
    }
  }
  out[size++] = '\r';
  out[size++] = '\n';
  return {out, size};
}

std::string_view StreamEncoder::sensor_frame() {
  wire::SensorReading reading;
  reading.seq = first_seq_;
  reading.ts_ms = first_ts_ms_;
  reading.count = static_cast<std::uint8_t>(info_->axes.size());
  for (std::size_t i = 0; i < reading.count; ++i)
    reading.values[i] = audio() ? static_cast<double>(stored_sample()) : static_cast<double>(stored_float(i));
  std::array<std::byte, kMaxSmallCbor> cbor;  // NOLINT: written before it is read
  return frame(wire::encode_stream_item(reading, cbor), {});
}

std::string_view StreamEncoder::batch_frame() {
  wire::SensorBatch batch;
  batch.seq = first_seq_;
  batch.ts_ms = first_ts_ms_;
  batch.period_us = static_cast<std::uint32_t>(std::min(kMaxU32, kMicros / hz_ + 0.5));
  batch.count = static_cast<std::uint16_t>(kept_);
  batch.channels = static_cast<std::uint8_t>(info_->axes.size());
  batch.format = audio() ? wire::BatchFormat::i16 : wire::BatchFormat::f32;
  batch.data = std::span<const std::byte>(data_).first(data_size_);
  std::array<std::byte, wire::kMaxBatchHead> head;  // NOLINT: written before it is read
  return frame(wire::encode_stream_batch_head(batch, head), batch.data);
}

std::string_view StreamEncoder::frame(const wire::Result<std::span<const std::byte>>& cbor,
                                      std::span<const std::byte> data) {
  if (!cbor) return {};
  const auto bytes = wire::encode_stream_frame(*cbor, data, crc_, piece_);
  return bytes ? wire::as_text(*bytes) : std::string_view{};
}

}  // namespace tml::fw::app
