// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/readings.hpp"

#include <algorithm>

namespace tml::fw::app {
namespace {

/// The least time without a reading after which the sensor counts as gone.
constexpr std::uint64_t kSilenceUs = 2'000'000;
/// Fast readings are fetched together: a wake-up for each would cost more than the reading.
constexpr std::uint64_t kGatherUs = 2000;

}  // namespace

std::size_t Readings::bytes(const hal::SensorInfo& sensor, std::size_t readings) {
  const std::size_t each =
      sensor.form == hal::SampleForm::i16_audio ? sizeof(std::int16_t) : sizeof(float) * sensor.axes.size();
  return each * readings;
}

void Readings::use(hal::Sensor& sensor, std::span<std::uint8_t> memory) {
  sensor_ = &sensor;
  axes_ = sensor.info().axes.size();
  rows_ = {};
  audio_ = {};
  const std::size_t each = bytes(sensor.info(), 1);
  capacity_ = memory.size() / each;
  if (sensor.info().form == hal::SampleForm::i16_audio) {
    audio_ = {reinterpret_cast<std::int16_t*>(memory.data()), capacity_};
  } else {
    rows_ = {reinterpret_cast<float*>(memory.data()), capacity_ * axes_};
  }
  taken_ = 0;
  running_ = false;
}

bool Readings::start(double interval_ms, const hal::Clock& clock) {
  taken_ = 0;
  interval_ms_ = interval_ms;
  last_us_ = clock.device_us();
  running_ = sensor_->start(interval_ms);
  return running_;
}

void Readings::stop() {
  if (running_) sensor_->stop();
  running_ = false;
}

std::size_t Readings::fetch(std::uint64_t keep_from, const hal::Clock& clock) {
  std::size_t total = 0;
  while (total < kFetch) {
    const std::uint64_t kept = taken_ - std::min(keep_from, taken_);
    const std::size_t room = kept < capacity_ ? capacity_ - static_cast<std::size_t>(kept) : 0;
    const auto at = static_cast<std::size_t>(taken_ % capacity_);
    const std::size_t most = std::min({room, capacity_ - at, kFetch - total});
    if (most == 0) break;
    const std::size_t count = audio_.empty() ? sensor_->read_rows(rows_.subspan(at * axes_, most * axes_))
                                             : sensor_->read_audio(audio_.subspan(at, most));
    taken_ += count;
    total += count;
    if (count < most) break;
  }
  if (total > 0) last_us_ = clock.device_us();
  return total;
}

bool Readings::silent(const hal::Clock& clock) const {
  const auto patience_us = std::max(kSilenceUs, static_cast<std::uint64_t>(interval_ms_ * 10'000.0));
  return clock.device_us() - last_us_ > patience_us;
}

std::uint64_t Readings::delay_us(const hal::Clock& clock) const {
  const std::uint64_t now_us = clock.device_us();
  const std::uint64_t next_us = std::max(sensor_->ready_us(), now_us + kGatherUs);
  return clock.wire_delay_us(next_us - now_us);
}

void WindowSignal::set(const Readings& readings, const wire::model::ImpulseHead& head, std::uint64_t first,
                       std::uint32_t count) {
  readings_ = &readings;
  head_ = &head;
  first_ = first;
  count_ = count;
}

bool WindowSignal::read(std::size_t offset, std::span<float> into) {
  const std::size_t axes = head_->axis_count;
  if (offset + into.size() > std::size_t{count_} * axes || first_ < readings_->oldest()) return false;
  if (first_ + count_ > readings_->taken()) return false;
  std::size_t place = readings_->place(first_ + offset / axes);
  std::size_t axis = offset % axes;
  for (float& value : into) {
    value = readings_->value(place, head_->axes[axis]);
    if (++axis < axes) continue;
    axis = 0;
    if (++place == readings_->capacity()) place = 0;
  }
  return true;
}

}  // namespace tml::fw::app
