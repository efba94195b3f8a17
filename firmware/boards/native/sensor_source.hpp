// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Where a virtual sensor's readings come from: the generator (synth.hpp) or recordings (playlist.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace tml::fw::native {

/// How far a source has come, as numbers by name: what a board hands over to the process that follows it
/// (handover.hpp).
using SourceState = std::map<std::string, std::uint64_t, std::less<>>;

class SensorSource {
 public:
  virtual ~SensorSource() = default;

  /// A capture begins: `label` is what AT+SAMPLESETTINGS= said and may choose the pattern or recording. False = nothing
  /// to give; the sensor then refuses to start.
  [[nodiscard]] virtual bool begin(std::string_view label, double rate_hz) = 0;

  /// The next reading, one value per axis of the sensor. Only after begin() was true; endless.
  virtual void next(std::span<float> row) = 0;

  /// The capture is over and its last `unseen` readings never reached it (they were made ahead): what they used up is
  /// for the next one.
  virtual void end(std::size_t unseen) { (void)unseen; }

  [[nodiscard]] virtual SourceState state() const { return {}; }
  /// Of a source that was opened with the same arguments; before begin().
  virtual void restore(const SourceState& state) { (void)state; }

  /// What is being played, for people: "synth:wave", "replay:/data/wave.0.csv".
  [[nodiscard]] virtual std::string description() const = 0;
};

}  // namespace tml::fw::native
