// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/virtual_sensor.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>

namespace tml::fw::native {

const hal::SensorInfo& sensor_info(SensorKind kind) { return boards::kSensorTable[static_cast<std::size_t>(kind)]; }

std::optional<SensorKind> sensor_kind(std::string_view name) {
  std::string text(name);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (text.starts_with("built-in ")) text.erase(0, 9);
  if (text == "accelerometer") return SensorKind::accelerometer;
  if (text == "microphone") return SensorKind::microphone;
  if (text == "environmental") return SensorKind::environmental;
  if (text == "inertial") return SensorKind::inertial;
  if (text == "inertial6" || text == "inertial 6-axis") return SensorKind::inertial6;
  return std::nullopt;
}

VirtualSensor::VirtualSensor(SensorKind kind, std::unique_ptr<SensorSource> source, const hal::Clock& clock,
                             Label label, Started started)
    : info_(sensor_info(kind)),
      source_(std::move(source)),
      clock_(clock),
      label_(std::move(label)),
      started_(std::move(started)) {}

bool VirtualSensor::start(double interval_ms) {
  running_ = false;
  if (!(interval_ms > 0) || !std::isfinite(interval_ms)) return false;
  const std::string label = label_ ? label_() : std::string();
  if (!source_->begin(label, 1000.0 / interval_ms)) return false;
  interval_us_ = interval_ms * 1000.0;
  start_us_ = clock_.device_us();
  taken_ = 0;
  running_ = true;
  if (started_) started_(*this, label);
  return true;
}

std::size_t VirtualSensor::due() const {
  if (!running_) return 0;
  const auto elapsed_us = static_cast<double>(clock_.device_us() - start_us_);
  const auto ready = static_cast<std::uint64_t>(elapsed_us / interval_us_);
  return static_cast<std::size_t>(ready > taken_ ? ready - taken_ : 0);
}

std::size_t VirtualSensor::read_rows(std::span<float> into) {
  const std::size_t axes = info_.axes.size();
  const std::size_t count = std::min(due(), into.size() / axes);
  for (std::size_t i = 0; i < count; ++i) source_->next(into.subspan(i * axes, axes));
  taken_ += count;
  return count;
}

std::size_t VirtualSensor::read_audio(std::span<std::int16_t> into) {
  const std::size_t count = std::min(due(), into.size());
  for (std::size_t i = 0; i < count; ++i) {
    float value = 0;
    source_->next(std::span(&value, 1));
    into[i] = static_cast<std::int16_t>(std::clamp(std::lround(value), -32768L, 32767L));
  }
  taken_ += count;
  return count;
}

std::uint64_t VirtualSensor::ready_us() const {
  if (!running_) return UINT64_MAX;
  return start_us_ + static_cast<std::uint64_t>(std::ceil(static_cast<double>(taken_ + 1) * interval_us_));
}

}  // namespace tml::fw::native
