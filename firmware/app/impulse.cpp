// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/impulse.hpp"

#include <algorithm>

namespace tml::fw::app {
namespace {

// The check of an impulse section takes the axes that a package may name for those that a sensor may have.
static_assert(wire::model::kMaxImpulseAxes == hal::kMaxAxes);

using wire::model::ImpulseHead;

/// A rate is printed with two decimals; what a compiler took from it may be a little more than the sensor's own number.
constexpr double kRateTolerance = 1.001;

}  // namespace

std::uint32_t Impulse::window_values() const {
  if (head == nullptr) return dsp::elements(package.header().input);
  if (image()) return std::uint32_t{head->image_width} * head->image_height;
  return head->window * head->axis_count;
}

std::string_view Impulse::sensor_name() const {
  if (head == nullptr) return {};
  const auto* const end = std::find(head->sensor.begin(), head->sensor.end(), '\0');
  return {head->sensor.data(), static_cast<std::size_t>(end - head->sensor.begin())};
}

std::uint32_t Impulse::outputs() const { return has_model() ? dsp::elements(package.header().output) : 0; }

dsp::WindowFacts Impulse::window(hal::CameraResolution picture, std::uint32_t channels) const {
  return head == nullptr ? dsp::WindowFacts{} : dsp::window_of(*head, picture.width, picture.height, channels);
}

ImpulseRefusal open_impulse(const wire::model::View& view, Impulse& into) {
  into = Impulse{};
  into.package = view;
  return dsp::read_impulse_section(view, into);
}

namespace {

bool find_camera(const Impulse& impulse, const Board& board, Source& source, Line& reason) {
  if (board.camera == nullptr) {
    reason.put("this board has no camera");
    return false;
  }
  source.camera = board.camera;
  const auto known = board.camera->info().resolutions;
  source.picture = known.back();
  for (const hal::CameraResolution& resolution : known) {
    if (resolution.width >= impulse.head->image_width && resolution.height >= impulse.head->image_height) {
      source.picture = resolution;
      break;
    }
  }
  return true;
}

bool has_axes(const hal::Sensor& sensor, const ImpulseHead& head) {
  return std::all_of(head.axes.begin(), head.axes.begin() + head.axis_count,
                     [&sensor](std::uint8_t axis) { return axis < sensor.info().axes.size(); });
}

bool fast_enough(const hal::Sensor& sensor, const ImpulseHead& head) {
  const double fastest_hz = static_cast<double>(sensor.info().frequencies_hz.back());
  return static_cast<double>(head.frequency_hz) <= fastest_hz * kRateTolerance;
}

}  // namespace

bool bind_impulse(const Impulse& impulse, const Board& board, Source& source, Line& reason) {
  source = Source{};
  if (impulse.head == nullptr) {
    reason.put(
        "the package is a bare model: it names no sensor (compile it with --impulse), only AT+RUNIMPULSESTATIC "
        "and AT+RUNMODEL can run it");
    return false;
  }
  if (impulse.image()) return find_camera(impulse, board, source, reason);
  const std::string_view name = impulse.sensor_name();
  for (hal::Sensor* const sensor : board.sensors) {
    const bool named = name.empty() ? has_axes(*sensor, *impulse.head) && fast_enough(*sensor, *impulse.head)
                                    : sensor->info().name == name;
    if (!named) continue;
    source.sensor = sensor;
    break;
  }
  if (source.sensor == nullptr) {
    reason.put("this board has no sensor ").put(name.empty() ? std::string_view("with these axes at this rate") : name);
    return false;
  }
  if (!has_axes(*source.sensor, *impulse.head)) {
    reason.put("the sensor has ").number(source.sensor->info().axes.size()).put(" axes, the model wants others");
    return false;
  }
  if (!fast_enough(*source.sensor, *impulse.head)) {
    reason.put("the model wants ").fixed(static_cast<double>(impulse.head->frequency_hz), 2);
    reason.put(" Hz, the sensor's highest rate is ")
        .fixed(static_cast<double>(source.sensor->info().frequencies_hz.back()), 2)
        .put(" Hz");
    return false;
  }
  return true;
}

}  // namespace tml::fw::app
