// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/sensor_stream.hpp"

#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include "common/wire/cbor.hpp"
#include "common/wire/crc.hpp"

namespace tml::wire {
namespace {

constexpr double kMicro = 1e6;
constexpr std::array<std::string_view, 3> kFormats = {"i16", "i32", "f32"};

std::uint32_t load_u32(std::span<const std::byte> bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= static_cast<std::uint32_t>(bytes[at + i]) << (8U * i);
  return value;
}

void begin_item(CborWriter& writer, std::string_view type, std::size_t fields) {
  writer.map(2);
  writer.text("t");
  writer.text(type);
  writer.text("d");
  writer.map(fields);
}

void field(CborWriter& writer, std::string_view key, std::uint64_t value) {
  writer.text(key);
  writer.unsigned_int(value);
}

/// Which required keys were seen, and the first error.
class Fields {
 public:
  explicit Fields(CborReader& reader) : reader_(reader) {}

  template <class Integer>
  void number(Integer& out, std::uint32_t bit) {
    const auto value = reader_.read_unsigned(std::numeric_limits<Integer>::max());
    if (!value) return refuse(value.error());
    out = static_cast<Integer>(*value);
    seen_ |= bit;
  }
  template <class Field>
  void text(Field& out, std::uint32_t bit) {
    const auto value = reader_.read_text();
    if (!value) return refuse(value.error());
    if (!out.assign(*value)) return refuse(Errc::limit);
    seen_ |= bit;
  }
  void refuse(Errc code) {
    if (!error_) error_ = code == Errc::wrong_type || code == Errc::limit ? Errc::malformed : code;
  }
  void skip() {
    if (const auto skipped = reader_.skip_value(); !skipped) refuse(skipped.error());
  }
  void mark(std::uint32_t bit) { seen_ |= bit; }
  [[nodiscard]] bool failed() const { return error_.has_value(); }
  [[nodiscard]] Result<void> require(std::uint32_t bits) const {
    if (error_) return fail(*error_);
    if ((seen_ & bits) != bits) return fail(Errc::malformed);
    return {};
  }
  CborReader& reader() { return reader_; }

 private:
  CborReader& reader_;
  std::uint32_t seen_ = 0;
  std::optional<Errc> error_;
};

/// Walks a map whose opening was taken; `each` must consume the value.
template <class Each>
void walk(Fields& fields, Each each) {
  while (!fields.failed()) {
    const auto ended = fields.reader().take_end();
    if (!ended) return fields.refuse(ended.error());
    if (*ended) return;
    const auto key = fields.reader().read_text();
    if (!key) return fields.refuse(key.error());
    each(*key);
  }
}

void channel_names(Fields& fields, SessionInfo& info) {
  CborReader& reader = fields.reader();
  if (const auto opened = reader.enter_array(); !opened) return fields.refuse(opened.error());
  info.channel_name_count = 0;
  for (;;) {
    const auto ended = reader.take_end();
    if (!ended) return fields.refuse(ended.error());
    if (*ended) return;
    if (info.channel_name_count == kMaxStreamChannels) return fields.refuse(Errc::limit);
    fields.text(info.channel_names[info.channel_name_count], 0);
    if (fields.failed()) return;
    ++info.channel_name_count;
  }
}

void reading_values(Fields& fields, SensorReading& reading, std::uint32_t bit) {
  CborReader& reader = fields.reader();
  if (const auto opened = reader.enter_array(); !opened) return fields.refuse(opened.error());
  reading.count = 0;
  for (;;) {
    const auto item = reader.next();
    if (!item) return fields.refuse(item.error());
    if (item->type == CborType::end) break;
    const auto value = item->as_number();
    if (!value) return fields.refuse(Errc::malformed);
    if (reading.count == kMaxStreamChannels) return fields.refuse(Errc::limit);
    const bool integer = item->type != CborType::real;
    if (reading.count > 0 && integer != reading.integers) return fields.refuse(Errc::malformed);
    reading.integers = integer;
    reading.values[reading.count++] = integer ? *value / kMicro : *value;
  }
  if (reading.count == 0) return fields.refuse(Errc::malformed);
  fields.mark(bit);
}

Result<StreamItem> session_info(CborReader& reader) {
  SessionInfo info;
  Fields fields(reader);
  walk(fields, [&fields, &info](std::string_view key) {
    if (key == "sid") return fields.number(info.sid, 1);
    if (key == "hz") return fields.number(info.hz, 2);
    if (key == "ch") return fields.number(info.channels, 4);
    if (key == "ch_n") return channel_names(fields, info);
    if (key == "st") return fields.number(info.st, 0);
    if (key == "dr") return fields.number(info.dropped, 0);
    if (key == "name") return fields.text(info.name, 0);
    fields.skip();
  });
  if (const auto complete = fields.require(7); !complete) return fail(complete.error());
  if (info.channels == 0 || info.channels > kMaxStreamChannels) return fail(Errc::malformed);
  return info;
}

Result<StreamItem> sensor_reading(CborReader& reader) {
  SensorReading reading;
  Fields fields(reader);
  walk(fields, [&fields, &reading](std::string_view key) {
    if (key == "seq") return fields.number(reading.seq, 1);
    if (key == "ts") return fields.number(reading.ts_ms, 2);
    if (key == "val") return reading_values(fields, reading, 4);
    fields.skip();
  });
  if (const auto complete = fields.require(7); !complete) return fail(complete.error());
  return reading;
}

void batch_format(Fields& fields, SensorBatch& batch, std::uint32_t bit) {
  const auto name = fields.reader().read_text();
  if (!name) return fields.refuse(name.error());
  for (std::size_t i = 0; i < kFormats.size(); ++i) {
    if (*name != kFormats[i]) continue;
    batch.format = static_cast<BatchFormat>(i);
    return fields.mark(bit);
  }
  fields.refuse(Errc::unsupported);
}

Result<StreamItem> sensor_batch(CborReader& reader) {
  SensorBatch batch;
  Fields fields(reader);
  walk(fields, [&fields, &batch](std::string_view key) {
    if (key == "seq") return fields.number(batch.seq, 1);
    if (key == "ts") return fields.number(batch.ts_ms, 2);
    if (key == "us") return fields.number(batch.period_us, 4);
    if (key == "n") return fields.number(batch.count, 8);
    if (key == "ch") return fields.number(batch.channels, 16);
    if (key == "f") return batch_format(fields, batch, 32);
    if (key == "k") {
      const auto scale = fields.reader().read_number();
      if (!scale) return fields.refuse(scale.error());
      constexpr double kMax = std::numeric_limits<float>::max();
      if (!(*scale >= -kMax && *scale <= kMax)) return fields.refuse(Errc::malformed);
      batch.scale = static_cast<float>(*scale);
      return;
    }
    if (key == "b") {
      const auto bytes = fields.reader().read_bytes();
      if (!bytes) return fields.refuse(bytes.error());
      batch.data = *bytes;
      return fields.mark(64);
    }
    fields.skip();
  });
  if (const auto complete = fields.require(127); !complete) return fail(complete.error());
  const std::size_t expected = std::size_t{batch.count} * batch.channels * batch_value_size(batch.format);
  if (expected == 0 || batch.channels > kMaxStreamChannels || batch.data.size() != expected)
    return fail(Errc::malformed);
  return batch;
}

}  // namespace

double SensorBatch::value(std::size_t index) const {
  const std::uint32_t bits = load_u32(data, index * batch_value_size(format), batch_value_size(format));
  switch (format) {
    case BatchFormat::i16:
      return static_cast<double>(static_cast<std::int16_t>(static_cast<std::uint16_t>(bits))) *
             static_cast<double>(scale);
    case BatchFormat::i32:
      return static_cast<double>(static_cast<std::int32_t>(bits)) * static_cast<double>(scale);
    case BatchFormat::f32:
      break;
  }
  return static_cast<double>(std::bit_cast<float>(bits));
}

Result<std::span<const std::byte>> encode_stream_item(const SessionInfo& info, std::span<std::byte> out) {
  if (info.channels == 0 || info.channels > kMaxStreamChannels || info.channel_name_count > kMaxStreamChannels) {
    return fail(Errc::malformed);
  }
  CborWriter writer(out);
  begin_item(writer, "si", 7);
  field(writer, "sid", info.sid);
  field(writer, "hz", info.hz);
  field(writer, "ch", info.channels);
  writer.text("ch_n");
  writer.array(info.channel_name_count);
  for (std::size_t i = 0; i < info.channel_name_count; ++i) writer.text(info.channel_names[i]);
  field(writer, "st", info.st);
  field(writer, "dr", info.dropped);
  writer.text("name");
  writer.text(info.name);
  return writer.finish();
}

Result<std::span<const std::byte>> encode_stream_item(const SensorReading& reading, std::span<std::byte> out) {
  if (reading.count == 0 || reading.count > kMaxStreamChannels) return fail(Errc::malformed);
  CborWriter writer(out);
  begin_item(writer, "sd", 3);
  field(writer, "seq", reading.seq);
  field(writer, "ts", reading.ts_ms);
  writer.text("val");
  writer.array(reading.count);
  for (std::size_t i = 0; i < reading.count; ++i) {
    if (!reading.integers) {
      writer.single(static_cast<float>(reading.values[i]));
      continue;
    }
    const double micro = reading.values[i] * kMicro + (reading.values[i] < 0 ? -0.5 : 0.5);
    const bool fits = micro > -2147483649.0 && micro < 2147483648.0;
    if (!fits) return fail(Errc::bad_number);
    writer.integer(static_cast<std::int32_t>(micro));
  }
  return writer.finish();
}

Result<std::span<const std::byte>> encode_stream_batch_head(const SensorBatch& batch, std::span<std::byte> out) {
  const std::size_t expected = std::size_t{batch.count} * batch.channels * batch_value_size(batch.format);
  if (expected == 0 || batch.channels > kMaxStreamChannels || batch.data.size() != expected)
    return fail(Errc::malformed);
  CborWriter writer(out);
  begin_item(writer, "sb", 8);
  field(writer, "seq", batch.seq);
  field(writer, "ts", batch.ts_ms);
  field(writer, "us", batch.period_us);
  field(writer, "n", batch.count);
  field(writer, "ch", batch.channels);
  writer.text("f");
  writer.text(kFormats[static_cast<std::size_t>(batch.format)]);
  writer.text("k");
  writer.real(static_cast<double>(batch.scale));
  writer.text("b");
  writer.bytes_head(batch.data.size());
  if (writer.size() + batch.data.size() > kMaxStreamCbor) return fail(Errc::limit);
  return writer.finish();
}

Result<std::span<const std::byte>> encode_stream_item(const SensorBatch& batch, std::span<std::byte> out) {
  const auto head = encode_stream_batch_head(batch, out);
  if (!head) return head;
  if (batch.data.size() > out.size() - head->size()) return fail(Errc::overflow);
  std::memcpy(out.data() + head->size(), batch.data.data(), batch.data.size());
  return std::span<const std::byte>(out).first(head->size() + batch.data.size());
}

Result<std::span<const std::byte>> encode_stream_frame(std::span<const std::byte> head, std::span<const std::byte> data,
                                                       bool crc, std::span<std::byte> out) {
  const std::size_t size = head.size() + data.size();
  if (size == 0 || size > kMaxStreamCbor) return fail(Errc::limit);
  CobsEncoder encoder(out);
  const auto put_u16 = [&encoder](std::size_t value) {
    encoder.put(static_cast<std::byte>(value & 0xFFU));
    encoder.put(static_cast<std::byte>(value >> 8U));
  };
  put_u16(size);
  encoder.put(head);
  encoder.put(data);
  if (crc) {
    Crc16Ccitt sum;
    sum.update(head);
    sum.update(data);
    put_u16(sum.value());
  }
  const auto written = encoder.finish(true);
  if (!written) return fail(written.error());
  return std::span<const std::byte>(out).first(*written);
}

Result<StreamFrame> open_stream_frame(std::span<const std::byte> frame) {
  if (frame.size() < 3) return fail(Errc::truncated);
  const std::size_t size = load_u32(frame, 0, 2);
  if (size == 0 || size > kMaxStreamCbor) return fail(Errc::malformed);
  const std::size_t rest = frame.size() - 2;
  if (size > rest) return fail(Errc::truncated);
  StreamFrame result;
  result.cbor = frame.subspan(2, size);
  if (rest == size) return result;
  if (rest != size + 2) return fail(Errc::malformed);
  if (load_u32(frame, 2 + size, 2) != Crc16Ccitt::of(result.cbor)) return fail(Errc::bad_checksum);
  result.checked = true;
  return result;
}

Result<StreamItem> decode_stream_item(std::span<const std::byte> cbor) {
  CborReader::Limits limits;
  limits.depth = 6;
  CborReader reader(cbor, limits);
  // The keys may come in any order, so `t` is looked up first and `d` read in a second pass.
  std::string_view type;
  std::optional<std::size_t> data_at;
  if (const auto opened = reader.enter_map(); !opened) {
    return fail(opened.error() == Errc::wrong_type ? Errc::malformed : opened.error());
  }
  Fields fields(reader);
  walk(fields, [&fields, &reader, &type, &data_at](std::string_view key) {
    if (key == "t") {
      const auto value = reader.read_text();
      if (!value) return fields.refuse(value.error());
      type = *value;
      return;
    }
    if (key == "d") {
      const auto item = reader.peek();
      if (!item) return fields.refuse(item.error());
      data_at = item->offset;
    }
    fields.skip();
  });
  if (const auto complete = fields.require(0); !complete) return fail(complete.error());
  if (reader.position() != cbor.size() || !data_at) return fail(Errc::malformed);
  CborReader data(cbor.subspan(*data_at), limits);
  if (const auto opened = data.enter_map(); !opened) {
    return fail(opened.error() == Errc::wrong_type ? Errc::malformed : opened.error());
  }
  if (type == "si") return session_info(data);
  if (type == "sd") return sensor_reading(data);
  if (type == "sb") return sensor_batch(data);
  return fail(type.empty() ? Errc::malformed : Errc::unsupported);
}

StreamFrameReader::Event StreamFrameReader::push(std::byte byte) {
  const auto refuse = [this](Errc code) {
    error_ = code;
    ++counters_.errors;
    return Event::error;
  };
  switch (cobs_.push(byte)) {
    case CobsDecoder::Event::none:
      return Event::none;
    case CobsDecoder::Event::error:
      return refuse(cobs_.error());
    case CobsDecoder::Event::frame:
      break;
  }
  const auto frame = open_stream_frame(cobs_.frame());
  if (!frame) return refuse(frame.error());
  auto item = decode_stream_item(frame->cbor);
  if (!item) return refuse(item.error());
  item_ = *item;
  checked_ = frame->checked;
  ++counters_.frames;
  if (!checked_) ++counters_.unchecked;
  return Event::item;
}

}  // namespace tml::wire
