// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One sample from a sensor to a signed, committed file, with the transcript of wire reference 1.9.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "firmware/app/hmac.hpp"
#include "firmware/app/job.hpp"
#include "firmware/app/services.hpp"

namespace tml::fw::app {

/// AT+SAMPLESTART, and each round of AT+STARTINGESTIONCYCLE.
///
/// The document (wire reference 6.3 to 6.5) is signed while it streams to flash; its 64 signature bytes stay erased
/// until the MAC is known and are programmed then, before the file is committed. A capture that loses a reading is
/// given up: a file never hides a gap.
class Capture final : public Job {
 public:
  /// The pause before the first reading: a daemon needs it to follow (wire reference 1.9). Device time.
  static constexpr std::uint64_t kMinimumDelayUs = 2'000'000;

  explicit Capture(Services& services) : services_(services) {}

  /// Checks everything that can be checked before the first line of the transcript: rate, length, space. An empty text
  /// means that the capture began and step() runs it; otherwise it is the reason, to be printed behind "ERR: ".
  [[nodiscard]] std::string_view begin(hal::Sensor& sensor, std::uint64_t minimum_delay_us);
  Step step() override;
  void stop() override { stopping_ = true; }

  /// After the last step: whether the file was committed.
  [[nodiscard]] bool succeeded() const { return succeeded_; }

 private:
  enum class State : std::uint8_t { announce, erase, start, collect, sign, commit };
  static constexpr std::size_t kScratchBytes = 1024;
  static constexpr std::size_t kAudioChunk = 256;  ///< Samples per step: two flash pages.
  static constexpr std::size_t kRowsChunk = 64;    ///< Floats per step.

  [[nodiscard]] wire::AcquisitionHeader header();
  Step announce();
  Step erase();
  Step start();
  Step collect();
  [[nodiscard]] std::size_t take_readings(bool& failed);
  Step sign();
  Step commit();
  Step give_up(std::string_view reason);
  [[nodiscard]] wire::Result<void> take_document(std::span<const std::byte> bytes);

  Services& services_;
  hal::Sensor* sensor_ = nullptr;
  State state_ = State::announce;
  bool stopping_ = false;
  bool running_ = false;  ///< The sensor was started.
  bool succeeded_ = false;
  std::uint64_t minimum_delay_us_ = 0;
  std::uint64_t not_before_us_ = 0;    ///< Device time.
  std::uint64_t last_reading_us_ = 0;  ///< Device time.
  std::uint64_t readings_ = 0;
  std::uint64_t taken_ = 0;
  double interval_ms_ = 0;
  bool in_header_ = false;
  std::size_t header_size_ = 0;
  Hmac mac_;
  std::array<wire::AcquisitionSensor, hal::kMaxAxes> axes_{};
  std::array<std::byte, 16> nonce_{};
  std::array<std::byte, kScratchBytes> scratch_{};
  std::array<std::uint8_t, kScratchBytes> header_bytes_{};  ///< Held back until the place of the signature is known.
  std::array<float, kRowsChunk> rows_{};
  std::array<std::int16_t, kAudioChunk> audio_{};
  std::optional<wire::AcquisitionWriter> writer_;
  Line reason_;
};

/// `label` as part of a file name: what would break a path, the transcript's line or the prompt becomes '_'.
[[nodiscard]] Text<kMaxText> file_label(std::string_view label);

/// AT+STARTINGESTIONCYCLE: total / interval captures, one each interval of device time.
class CaptureCycle final : public Job {
 public:
  CaptureCycle(Services& services, Capture& capture) : services_(services), capture_(capture) {}

  /// As Capture::begin().
  [[nodiscard]] std::string_view begin();
  Step step() override;
  void stop() override;

 private:
  [[nodiscard]] bool next_round();

  Services& services_;
  Capture& capture_;
  hal::Sensor* sensor_ = nullptr;
  std::uint32_t round_ = 0;
  std::uint32_t rounds_ = 0;
  std::uint64_t next_start_us_ = 0;
  bool capturing_ = false;
  bool stopping_ = false;
};

}  // namespace tml::fw::app
