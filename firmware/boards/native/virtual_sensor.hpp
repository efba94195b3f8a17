// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The sensors of the virtual board. Readings become due by the board's device clock and are made when they are
// fetched, so that the driver's buffer is as deep as it needs to be: a busy machine delays readings, it never loses
// one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "firmware/boards/native/sensor_source.hpp"
#include "firmware/boards/native/synth.hpp"
#include "firmware/hal/clock.hpp"
#include "firmware/hal/sensor.hpp"

namespace tml::fw::native {

[[nodiscard]] const hal::SensorInfo& sensor_info(SensorKind kind);

/// "accelerometer", "Built-in accelerometer", "microphone", "environmental", "inertial", "inertial6"... in any case.
[[nodiscard]] std::optional<SensorKind> sensor_kind(std::string_view name);

class VirtualSensor final : public hal::Sensor {
 public:
  using Label = std::function<std::string()>;
  using Started = std::function<void(const VirtualSensor&, const std::string& label)>;

  /// `label` tells the label of the capture that begins, `started` is told of it; both may be empty. `clock` outlives
  /// the sensor.
  VirtualSensor(SensorKind kind, std::unique_ptr<SensorSource> source, const hal::Clock& clock, Label label,
                Started started = {});

  [[nodiscard]] const hal::SensorInfo& info() const override { return info_; }
  [[nodiscard]] bool start(double interval_ms) override;
  void stop() override { running_ = false; }
  std::size_t read_rows(std::span<float> into) override;
  std::size_t read_audio(std::span<std::int16_t> into) override;
  [[nodiscard]] std::uint32_t lost() const override { return 0; }
  [[nodiscard]] std::uint64_t ready_us() const override;
  [[nodiscard]] const SensorSource& source() const { return *source_; }
  void restore(const SourceState& state) { source_->restore(state); }

 private:
  [[nodiscard]] std::size_t due() const;

  const hal::SensorInfo& info_;
  std::unique_ptr<SensorSource> source_;
  const hal::Clock& clock_;
  Label label_;
  Started started_;
  bool running_ = false;
  double interval_us_ = 0;
  std::uint64_t start_us_ = 0;
  std::uint64_t taken_ = 0;
};

}  // namespace tml::fw::native
