// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A sensor: what it is, and its readings while it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace tml::fw::hal {

inline constexpr std::size_t kMaxAxes = 20;              ///< wire reference 1.14
inline constexpr std::size_t kMaxFrequencies = 5;        ///< wire reference 1.14
inline constexpr std::size_t kMaxSensorNameLength = 64;  ///< wire reference 1.14 (sensor label)

struct Axis {
  std::string_view name;   ///< "accX"
  std::string_view units;  ///< SenML name, "m/s2"; "wav" for audio
};

enum class SampleForm : std::uint8_t {
  rows,      ///< Each reading is one float per axis; captured as CBOR arrays.
  i16_audio  ///< One axis of 16 bit PCM; captured as bulk binary (wire reference 6.5).
};

/// Constant for the life of the sensor; the texts outlive it.
struct SensorInfo {
  std::string_view name;  ///< Printable ASCII without a comma and without "> ", 1 to kMaxSensorNameLength characters.
  std::span<const Axis> axes;  ///< 1 to kMaxAxes; exactly 1 for audio.
  std::span<const float>
      frequencies_hz;  ///< 1 to kMaxFrequencies, ascending: those advertised. Any rate up to the last is accepted.
  std::uint32_t max_seconds = 0;  ///< Longest sample that AT+SENSORS? advertises.
  SampleForm form = SampleForm::rows;
};

/// Non-blocking, application's thread only. The driver buffers readings (FIFO, DMA) so that one flash erase or page
/// program (45 ms) loses nothing; readings it has to drop are counted in lost().
class Sensor {
 public:
  [[nodiscard]] virtual const SensorInfo& info() const = 0;

  /// Begins sampling, one reading each `interval_ms` of device time; the first reading is due one interval after the
  /// call or at once. Clears the buffer and lost(). False: the sensor does not answer, or cannot do this rate.
  [[nodiscard]] virtual bool start(double interval_ms) = 0;

  /// Ends sampling. Harmless when not started.
  virtual void stop() = 0;

  /// SampleForm::rows: takes up to into.size() / axes.size() readings, one after another, each one value per axis.
  /// Returns the number of readings (not floats), 0 = none is due yet. Never called for audio.
  virtual std::size_t read_rows(std::span<float> into) = 0;

  /// SampleForm::i16_audio: takes up to into.size() samples. Returns how many. Never called for rows.
  virtual std::size_t read_audio(std::span<std::int16_t> into) = 0;

  /// Readings dropped since start() because nobody fetched them in time.
  [[nodiscard]] virtual std::uint32_t lost() const = 0;

  /// Device time (Clock::device_us) at which read_*() will next return something; a time in the past = now.
  [[nodiscard]] virtual std::uint64_t ready_us() const = 0;

 protected:
  ~Sensor() = default;
};

}  // namespace tml::fw::hal
