// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The newest readings of one running sensor, in a ring in the arena: float rows of all its axes, or 16 bit audio as the
// driver gives it, so that neither needs a copy. Readings are numbered from 0 at start(); a window is a range of
// numbers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/model_impulse.hpp"
#include "firmware/dsp/block.hpp"
#include "firmware/hal/clock.hpp"
#include "firmware/hal/sensor.hpp"

namespace tml::fw::app {

class Readings {
 public:
  /// Readings fetched by one fetch() at most, so that one step stays short.
  static constexpr std::size_t kFetch = 512;

  /// Bytes of `readings` readings of this sensor.
  [[nodiscard]] static std::size_t bytes(const hal::SensorInfo& sensor, std::size_t readings);

  /// `memory`: 4-byte aligned, bytes(sensor.info(), capacity) long; outlives the object's use. Nothing runs yet.
  void use(hal::Sensor& sensor, std::span<std::uint8_t> memory);

  [[nodiscard]] bool start(double interval_ms, const hal::Clock& clock);
  void stop();
  [[nodiscard]] bool running() const { return running_; }

  /// Takes what is due, but overwrites nothing from reading `keep_from` on (what does not fit stays with the driver).
  /// Returns how many came.
  std::size_t fetch(std::uint64_t keep_from, const hal::Clock& clock);

  /// Number of the next reading to come.
  [[nodiscard]] std::uint64_t taken() const { return taken_; }
  /// Number of the oldest reading that is still here.
  [[nodiscard]] std::uint64_t oldest() const { return taken_ > capacity_ ? taken_ - capacity_ : 0; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  /// Readings lost by the driver since start().
  [[nodiscard]] std::uint32_t lost() const { return sensor_->lost(); }
  [[nodiscard]] hal::Sensor& sensor() const { return *sensor_; }
  /// No reading for 2 s or ten intervals.
  [[nodiscard]] bool silent(const hal::Clock& clock) const;
  /// Wire time until the next reading is worth fetching.
  [[nodiscard]] std::uint64_t delay_us(const hal::Clock& clock) const;

  /// Where a reading lies in the ring, and the value of one axis there. The next reading lies in the next place, behind
  /// the last one comes 0.
  [[nodiscard]] std::size_t place(std::uint64_t reading) const { return static_cast<std::size_t>(reading % capacity_); }
  [[nodiscard]] float value(std::size_t place, std::size_t axis) const {
    return audio_.empty() ? rows_[place * axes_ + axis] : static_cast<float>(audio_[place]);
  }

 private:
  hal::Sensor* sensor_ = nullptr;
  std::span<float> rows_;
  std::span<std::int16_t> audio_;
  std::size_t axes_ = 1;
  std::size_t capacity_ = 0;
  std::uint64_t taken_ = 0;
  std::uint64_t last_us_ = 0;
  double interval_ms_ = 0;
  bool running_ = false;
};

/// A range of readings with the axes that an impulse wants, as its signal processing reads it.
class WindowSignal final : public dsp::Signal {
 public:
  /// Readings [first, first + count).
  void set(const Readings& readings, const wire::model::ImpulseHead& head, std::uint64_t first, std::uint32_t count);
  [[nodiscard]] bool read(std::size_t offset, std::span<float> into) override;

 private:
  const Readings* readings_ = nullptr;
  const wire::model::ImpulseHead* head_ = nullptr;
  std::uint64_t first_ = 0;
  std::uint32_t count_ = 0;
};

}  // namespace tml::fw::app
