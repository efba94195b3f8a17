// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The framed sensor stream (sensor-stream reference, sections 2 and 3): COBS(length u16 LE | CBOR | [CRC-16 LE]) 0x00,
// where the CBOR is one of
//   {"t":"si"} session info, {"t":"sd"} one reading, {"t":"sb"} a batch of readings (our extension).
// `length` is the size of the CBOR, so a reader sees whether a CRC follows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

#include "common/wire/cobs.hpp"
#include "common/wire/errc.hpp"
#include "common/wire/fixed_string.hpp"

namespace tml::wire {

inline constexpr std::size_t kMaxStreamCbor = 4096;
inline constexpr std::size_t kMaxStreamChannels = 20;
/// Decoded frame: length, CBOR, CRC.
inline constexpr std::size_t kMaxStreamFrame = kMaxStreamCbor + 4;

struct SessionInfo {
  std::uint32_t sid = 0;  ///< random per boot
  std::uint16_t hz = 0;
  std::uint8_t channels = 0;
  std::array<FixedString<5>, kMaxStreamChannels> channel_names{};
  std::uint8_t channel_name_count = 0;
  std::uint8_t st = 0;
  std::uint32_t dropped = 0;  ///< "dr": readings that the producer lost so far
  FixedString<31> name;
};

struct SensorReading {
  std::uint32_t seq = 0;
  std::uint32_t ts_ms = 0;  ///< since session start
  bool integers = false;    ///< the producer sent integers: micro-units, already divided into values
  std::array<double, kMaxStreamChannels> values{};
  std::uint8_t count = 0;
};

enum class BatchFormat : std::uint8_t { i16, i32, f32 };
[[nodiscard]] constexpr std::size_t batch_value_size(BatchFormat format) { return format == BatchFormat::i16 ? 2 : 4; }

struct SensorBatch {
  std::uint32_t seq = 0;    ///< of the first reading
  std::uint32_t ts_ms = 0;  ///< of the first reading
  std::uint32_t period_us = 0;
  std::uint16_t count = 0;  ///< readings
  std::uint8_t channels = 0;
  BatchFormat format = BatchFormat::i16;
  float scale = 1;                  ///< value = scale x stored number for the integer forms
  std::span<const std::byte> data;  ///< little-endian, reading-major; exactly count x channels values

  /// Value `index` (reading x channels + channel), scaled.
  [[nodiscard]] double value(std::size_t index) const;
};

using StreamItem = std::variant<SessionInfo, SensorReading, SensorBatch>;

// --- Writer
// -------------------------------------------------------------------------------------------------------------------------

/// The item as CBOR into `out`; the written part, or Errc::overflow / Errc::malformed (inconsistent counts).
[[nodiscard]] Result<std::span<const std::byte>> encode_stream_item(const SessionInfo& info, std::span<std::byte> out);
/// Values as float32, or with `integers` as micro-units rounded to int32.
[[nodiscard]] Result<std::span<const std::byte>> encode_stream_item(const SensorReading& reading,
                                                                    std::span<std::byte> out);
[[nodiscard]] Result<std::span<const std::byte>> encode_stream_item(const SensorBatch& batch, std::span<std::byte> out);
/// The batch up to its data, which a writer without room for a copy hands to encode_stream_frame() behind it. At most
/// kMaxBatchHead bytes.
[[nodiscard]] Result<std::span<const std::byte>> encode_stream_batch_head(const SensorBatch& batch,
                                                                          std::span<std::byte> out);
/// 9 for t and d, 9 + 8 + 8 + 5 + 5 for the numbers at their longest, 6 for f, 7 for k, 5 for the head of b.
inline constexpr std::size_t kMaxBatchHead = 62;

/// Wraps CBOR, handed over in two pieces of which the second may be empty, into a frame with its delimiter. Needs
/// cobs_max_encoded(size of the CBOR + 4) + 1 bytes.
[[nodiscard]] Result<std::span<const std::byte>> encode_stream_frame(std::span<const std::byte> head,
                                                                     std::span<const std::byte> data, bool crc,
                                                                     std::span<std::byte> out);
[[nodiscard]] inline Result<std::span<const std::byte>> encode_stream_frame(std::span<const std::byte> cbor, bool crc,
                                                                            std::span<std::byte> out) {
  return encode_stream_frame(cbor, {}, crc, out);
}

// --- Reader
// -------------------------------------------------------------------------------------------------------------------------

struct StreamFrame {
  std::span<const std::byte> cbor;
  bool checked = false;  ///< a CRC was there and matched
};

/// Opens a decoded (un-stuffed) frame: Errc::truncated, Errc::malformed, Errc::bad_checksum.
[[nodiscard]] Result<StreamFrame> open_stream_frame(std::span<const std::byte> frame);
/// Unknown keys are skipped; missing required keys are Errc::malformed. An unknown `t` is Errc::unsupported.
/// A SensorBatch points into `cbor`.
[[nodiscard]] Result<StreamItem> decode_stream_item(std::span<const std::byte> cbor);

/// Bytes in, items out, resynchronising after damage.
class StreamFrameReader {
 public:
  enum class Event : std::uint8_t { none, item, error };
  struct Counters {
    std::uint64_t frames = 0;
    std::uint64_t unchecked = 0;  ///< good frames without a CRC
    std::uint64_t errors = 0;
  };

  /// `memory` of kMaxStreamFrame bytes takes every legal frame; must outlive the reader.
  explicit StreamFrameReader(std::span<std::byte> memory) : cobs_(memory) {}
  Event push(std::byte byte);
  /// After Event::item; a SensorBatch in it is valid until the next push().
  [[nodiscard]] const StreamItem& item() const { return item_; }
  [[nodiscard]] bool checked() const { return checked_; }
  [[nodiscard]] Errc error() const { return error_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  CobsDecoder cobs_;
  StreamItem item_;
  bool checked_ = false;
  Errc error_ = Errc::malformed;
  Counters counters_;
};

}  // namespace tml::wire
