// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Where a virtual sensor's readings come from: the generator (synth.hpp) or recordings (playlist.hpp).
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tml::fw::native {

class SensorSource {
 public:
  virtual ~SensorSource() = default;

  /// A capture begins: `label` is what AT+SAMPLESETTINGS= said and may choose the pattern or recording. False = nothing
  /// to give; the sensor then refuses to start.
  [[nodiscard]] virtual bool begin(std::string_view label, double rate_hz) = 0;

  /// The next reading, one value per axis of the sensor. Only after begin() was true; endless.
  virtual void next(std::span<float> row) = 0;

  /// What is being played, for people: "synth:wave", "replay:/data/wave.0.csv".
  [[nodiscard]] virtual std::string description() const = 0;
};

}  // namespace tml::fw::native
