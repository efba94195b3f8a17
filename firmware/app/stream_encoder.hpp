// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Readings as the bytes of a sensor stream (sensor-stream reference, sections 1 to 3): a line of text, a frame, or a
// batch of readings in one frame. The caller numbers readings and decides what is sent; this class only writes.
//
//   text    header line with the axes' names, then per reading the shortest decimals that read back as the same
//           float32, with commas; CR LF
//   frames  "si", and per reading "sd" with float32 values
//   batch   "si", and "sb": 16 bit audio as i16 with k = 1, rows as f32, which loses nothing of a reading
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/wire/cobs.hpp"
#include "common/wire/sensor_stream.hpp"
#include "firmware/hal/sensor.hpp"

namespace tml::fw::app {

enum class StreamForm : std::uint8_t { text, frames, batch };

/// "text", "frames", "batch"; nothing for any other word.
[[nodiscard]] std::optional<StreamForm> stream_form(std::string_view word);
[[nodiscard]] std::string_view stream_form_name(StreamForm form);
/// Text for rows, batch for audio.
[[nodiscard]] StreamForm default_stream_form(const hal::SensorInfo& info);

class StreamEncoder {
 public:
  /// Of one batch: 90 ms of 16 kHz audio (74 bytes of frame around them are 2.6 %), 80 readings of nine floats.
  static constexpr std::size_t kBatchBytes = 2880;
  /// Longest that a reading waits in a batch for the others, seconds.
  static constexpr double kBatchSeconds = 0.1;
  /// The longest line, frame or header that comes out.
  static constexpr std::size_t kMaxPiece = wire::cobs_max_encoded(wire::kMaxBatchHead + kBatchBytes + 4) + 1;

  /// `info` outlives the stream. `hz` is the nominal rate; `crc`: frames carry one (they may do without).
  void begin(const hal::SensorInfo& info, StreamForm form, double hz, std::uint32_t sid, bool crc = true);

  /// The header line or the session info, with `dropped` as its "dr". In frames names have at most five
  /// characters; longer ones are shortened so that no two are alike (docs/firmware.md, "Streams"). Like every view
  /// given out here: valid until the next one is asked for.
  [[nodiscard]] std::string_view session(std::uint32_t dropped);

  /// Keeps one reading, `ts_ms` after the start of the session. Readings kept together have consecutive numbers: call
  /// encode() or discard() before a number is left out. Not when full().
  void add(std::uint32_t seq, std::uint32_t ts_ms, std::span<const float> row);
  void add(std::uint32_t seq, std::uint32_t ts_ms, std::int16_t sample);

  /// Readings kept, and how many make a piece (1 unless batches are sent).
  [[nodiscard]] std::size_t kept() const { return kept_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] bool full() const { return kept_ == capacity_; }
  [[nodiscard]] std::uint32_t first_seq() const { return first_seq_; }

  /// What is kept as a line or a frame; nothing when nothing is kept. Keeps nothing afterwards.
  [[nodiscard]] std::string_view encode();
  /// Forgets what is kept; how many readings that were.
  std::size_t discard();

  [[nodiscard]] StreamForm form() const { return form_; }

  /// Bytes per second that such a stream costs: exact for batches and close above for frames. A line of text is taken
  /// with 11 characters for each float, what one with an arbitrary fraction needs on average, and 8 for a 16 bit one.
  [[nodiscard]] static double bytes_per_second(const hal::SensorInfo& info, StreamForm form, double hz);

 private:
  void keep(std::uint32_t seq, std::uint32_t ts_ms);
  [[nodiscard]] std::string_view frame(const wire::Result<std::span<const std::byte>>& cbor,
                                       std::span<const std::byte> data);
  [[nodiscard]] std::string_view text_line();
  [[nodiscard]] float stored_float(std::size_t index) const;
  [[nodiscard]] std::int16_t stored_sample() const;
  [[nodiscard]] std::string_view sensor_frame();
  [[nodiscard]] std::string_view batch_frame();
  [[nodiscard]] bool audio() const { return info_->form == hal::SampleForm::i16_audio; }

  const hal::SensorInfo* info_ = nullptr;
  StreamForm form_ = StreamForm::text;
  double hz_ = 1;
  std::uint32_t sid_ = 0;
  bool crc_ = true;
  std::size_t capacity_ = 1;
  std::size_t kept_ = 0;
  std::uint32_t first_seq_ = 0;
  std::uint32_t first_ts_ms_ = 0;
  std::size_t data_size_ = 0;
  std::array<std::byte, kBatchBytes> data_{};  ///< As in a batch: little-endian, reading-major.
  std::array<std::byte, kMaxPiece> piece_{};
};

}  // namespace tml::fw::app
