// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/window_sensor.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "firmware/boards/mps2_an386/event_port.hpp"
#include "firmware/boards/mps2_an386/registers.hpp"

namespace tml::fw::mps2 {
namespace {

// Another processor's program writes these.
std::uint32_t fresh(const std::uint32_t& word) {
  const std::uint32_t value = *static_cast<const volatile std::uint32_t*>(&word);
  data_barrier();
  return value;
}

void publish(std::uint32_t& word, std::uint32_t value) {
  data_barrier();
  *static_cast<volatile std::uint32_t*>(&word) = value;
}

}  // namespace

WindowSensor::WindowSensor(boards::SensorKind kind, Window& window, const hal::Clock& clock, Label label)
    : info_(boards::kSensorTable[static_cast<std::size_t>(kind)]),
      channel_(window.sensors[static_cast<std::size_t>(kind)]),
      ring_(window.rings[static_cast<std::size_t>(kind)].data()),
      capacity_(static_cast<std::uint32_t>(ring_readings(info_))),
      clock_(clock),
      label_(label) {}

void WindowSensor::request(Command command) {
  channel_.command = command;
  publish(channel_.request, channel_.request + 1);
  tell("r\n");
}

bool WindowSensor::start(double interval_ms) {
  running_ = false;
  if (!(interval_ms > 0) || !std::isfinite(interval_ms)) return false;
  const std::string_view label = label_();
  const std::size_t length = std::min(label.size(), channel_.label.size() - 1);
  std::copy_n(label.begin(), length, channel_.label.begin());
  channel_.label[length] = '\0';
  channel_.rate_hz = 1000.0 / interval_ms;
  channel_.tail = 0;
  request(Command::start);
  const std::uint64_t end_us = clock_.wire_us() + kStartTimeoutUs;
  while (fresh(channel_.reply) != channel_.request) {
    if (clock_.wire_us() > end_us) return false;
  }
  if (fresh(channel_.accepted) == 0) return false;
  interval_us_ = interval_ms * 1000.0;
  start_us_ = clock_.device_us();
  taken_ = 0;
  asked_ = false;
  running_ = true;
  return true;
}

void WindowSensor::stop() {
  if (!running_) return;
  running_ = false;
  request(Command::stop);
}

std::size_t WindowSensor::due() const {
  if (!running_) return 0;
  const auto elapsed_us = static_cast<double>(clock_.device_us() - start_us_);
  const auto ready = static_cast<std::uint64_t>(elapsed_us / interval_us_);
  return static_cast<std::size_t>(ready > taken_ ? ready - taken_ : 0);
}

template <class T>
std::size_t WindowSensor::take(std::span<T> into) {
  const std::size_t axes = info_.axes.size();
  const std::uint32_t head = fresh(channel_.head);
  std::uint32_t tail = channel_.tail;
  const std::size_t count = std::min({due(), into.size() / axes, static_cast<std::size_t>(head - tail)});
  for (std::size_t i = 0; i < count; ++i, ++tail) {
    std::memcpy(into.data() + i * axes, ring_ + std::size_t{tail % capacity_} * axes * sizeof(T), axes * sizeof(T));
  }
  taken_ += count;
  publish(channel_.tail, tail);
  if (head != seen_) asked_ = false;
  if (running_ && !asked_ && head - tail < capacity_ / 2) {
    asked_ = true;
    seen_ = head;
    tell("r\n");
  }
  return count;
}

std::size_t WindowSensor::read_rows(std::span<float> into) { return take(into); }
std::size_t WindowSensor::read_audio(std::span<std::int16_t> into) { return take(into); }

std::uint64_t WindowSensor::ready_us() const {
  if (!running_) return UINT64_MAX;
  return start_us_ + static_cast<std::uint64_t>(std::ceil(static_cast<double>(taken_ + 1) * interval_us_));
}

}  // namespace tml::fw::mps2
