// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The repository's own generator of sensor data: seeded, deterministic, plain enough to be learnt by a small model.
//
// Each capture differs as a person's repetitions differ: tempo within 10 %, strength within 15 %, a tilt of up to 10
// degrees, another phase and noise. The same seed gives the same sequence of captures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/base/random.hpp"
#include "firmware/boards/common/sensor_table.hpp"
#include "firmware/boards/native/sensor_source.hpp"

namespace tml::fw::native {

using boards::kSensorKinds;
using boards::SensorKind;

/// The patterns that a sensor has; the first is what `auto` plays for a label that names none of them.
[[nodiscard]] std::span<const std::string_view> synth_patterns(SensorKind kind);

class SynthSource final : public SensorSource {
 public:
  /// `pattern`: one of synth_patterns(kind), or "auto" = the one that the label names.
  SynthSource(SensorKind kind, std::string pattern, std::uint64_t seed);

  [[nodiscard]] bool begin(std::string_view label, double rate_hz) override;
  void next(std::span<float> row) override;
  [[nodiscard]] SourceState state() const override { return {{"captures", capture_}}; }
  void restore(const SourceState& state) override;
  [[nodiscard]] std::string description() const override { return "synth:" + std::string(playing_); }

 private:
  void accelerometer(double t, std::span<float> row);
  float microphone(double t);
  void environmental(double t, std::span<float> row);
  void inertial(double t, std::span<float> row);
  double gauss();

  SensorKind kind_;
  std::string pattern_;
  std::string_view playing_;
  std::uint64_t seed_;
  std::uint64_t capture_ = 0;
  SeededRandom random_;
  double rate_hz_ = 1;
  std::uint64_t index_ = 0;
  double tempo_ = 1;
  double strength_ = 1;
  double phase_ = 0;
  double tilt_x_ = 0;
  double tilt_y_ = 0;
  double smooth_ = 0;
};

}  // namespace tml::fw::native
