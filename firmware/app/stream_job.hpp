// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// AT+STREAMSTART: a sensor's readings on the serial line until `b` (docs/firmware.md, "Streams").
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "firmware/app/job.hpp"
#include "firmware/app/services.hpp"
#include "firmware/app/stream_encoder.hpp"

namespace tml::fw::app {

/// Every reading gets the next number whether it is sent or not, so that a gap in the numbers is exactly what is
/// missing. What is missing is counted ("dr"): readings that the driver lost, and readings that came due while the
/// transmit ring was full. A reading waits at most for the bytes of the ring and of one piece before it.
class StreamJob final : public Job {
 public:
  /// Wire time between two session infos (sensor-stream reference, section 2).
  static constexpr std::uint64_t kSessionEveryUs = 5'000'000;
  static constexpr double kMinHz = 0.01;

  explicit StreamJob(Services& services) : services_(services) {}

  /// Checks rate and line, and starts the sensor. An empty text means that the stream began and step() runs it;
  /// otherwise it is the reason, to be printed behind "ERR: ".
  [[nodiscard]] std::string_view begin(hal::Sensor& sensor, double hz, StreamForm form);
  Step step() override;
  void stop() override { stopping_ = true; }

 private:
  static constexpr std::size_t kAudioChunk = 64;
  static constexpr std::size_t kRowsChunk = 64;  ///< Floats per step.

  [[nodiscard]] bool line_carries(const hal::SensorInfo& info, double hz, StreamForm form);
  [[nodiscard]] std::size_t take_readings();
  void skip_lost();
  void stamp_from(std::uint64_t ready_us, std::size_t count);
  [[nodiscard]] std::uint32_t next_stamp_ms();
  void finish_piece();
  void send_pending();
  Step end();

  Services& services_;
  hal::Sensor* sensor_ = nullptr;
  StreamEncoder encoder_;
  bool stopping_ = false;
  bool running_ = false;  ///< The sensor was started and not stopped.
  bool silent_ = false;
  double interval_us_ = 0;
  std::uint64_t start_us_ = 0;         ///< Device time: the start of the session.
  std::uint64_t last_reading_us_ = 0;  ///< Device time.
  std::uint64_t session_at_us_ = 0;    ///< Wire time of the next session info.
  double stamp_us_ = 0;                ///< Of the next reading, since start_us_.
  std::uint32_t seq_ = 0;
  std::uint32_t lost_ = 0;     ///< By the driver, as far as numbered.
  std::uint32_t dropped_ = 0;  ///< "dr": lost_ and what found no room.
  std::uint64_t sent_ = 0;
  std::string_view pending_;  ///< The rest of a piece, in encoder_, on its way into the transmit ring.
  std::array<float, kRowsChunk> rows_{};
  std::array<std::int16_t, kAudioChunk> audio_{};
  Line reason_;
};

}  // namespace tml::fw::app
