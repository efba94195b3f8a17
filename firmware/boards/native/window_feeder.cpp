// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/window_feeder.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

namespace tml::fw::native {
namespace {

std::uint32_t fresh(std::uint32_t& word) { return std::atomic_ref(word).load(std::memory_order_acquire); }

void publish(std::uint32_t& word, std::uint32_t value) {
  std::atomic_ref(word).store(value, std::memory_order_release);
}

template <std::size_t kSize>
std::string text_of(const std::array<char, kSize>& field) {
  return {field.begin(), std::find(field.begin(), field.end(), '\0')};
}

}  // namespace

WindowFeeder::WindowFeeder(mps2::Window& window, std::vector<std::unique_ptr<SensorSource>> sources,
                           std::unique_ptr<CameraSource> camera, CameraForm form, Started started)
    : window_(window),
      sources_(std::move(sources)),
      camera_(std::move(camera)),
      form_(form),
      started_(std::move(started)) {
  window.sensors = {};
  window.camera = {};
  window.camera.present = camera_ ? 1 : 0;
  window.camera.grayscale = form == CameraForm::grayscale ? 1 : 0;
}

void WindowFeeder::serve() {
  for (std::size_t i = 0; i < feeds_.size(); ++i) serve_sensor(i);
  serve_camera();
}

void WindowFeeder::stop() {
  for (std::size_t i = 0; i < feeds_.size(); ++i) end(i);
}

void WindowFeeder::end(std::size_t index) {
  Feed& feed = feeds_[index];
  if (!feed.running) return;
  feed.running = false;
  const std::uint32_t ahead = feed.head - fresh(window_.sensors[index].tail);
  sources_[index]->end(ahead);
}

void WindowFeeder::serve_sensor(std::size_t index) {
  mps2::SensorChannel& channel = window_.sensors[index];
  Feed& feed = feeds_[index];
  const std::uint32_t request = fresh(channel.request);
  if (request == feed.handled) return fill(index);
  feed.handled = request;
  // A start has set the tail to 0 already: the one before it was stopped, or its end was seen at the reset.
  if (channel.command == mps2::Command::stop) {
    end(index);
  } else {
    const hal::SensorInfo& info = boards::kSensorTable[index];
    const std::string label = text_of(channel.label);
    feed.running =
        std::isfinite(channel.rate_hz) && channel.rate_hz > 0 && sources_[index]->begin(label, channel.rate_hz);
    feed.head = 0;
    publish(channel.head, 0);
    publish(channel.accepted, feed.running ? 1 : 0);
    if (feed.running && started_) started_(info.name, label, sources_[index]->description());
    fill(index);
  }
  publish(channel.reply, request);
}

void WindowFeeder::fill(std::size_t index) {
  Feed& feed = feeds_[index];
  if (!feed.running) return;
  mps2::SensorChannel& channel = window_.sensors[index];
  const hal::SensorInfo& info = boards::kSensorTable[index];
  const auto capacity = static_cast<std::uint32_t>(mps2::ring_readings(info));
  const std::uint32_t waiting = feed.head - fresh(channel.tail);
  if (waiting >= capacity) return;
  std::array<float, hal::kMaxAxes> row{};
  const std::span values = std::span(row).first(info.axes.size());
  std::uint8_t* const ring = window_.rings[index].data();
  for (std::uint32_t left = capacity - waiting; left > 0; --left, ++feed.head) {
    sources_[index]->next(values);
    const std::size_t slot = feed.head % capacity;
    if (info.form == hal::SampleForm::i16_audio) {
      const auto sample = static_cast<std::int16_t>(std::clamp(std::lround(row[0]), -32768L, 32767L));
      std::memcpy(ring + slot * sizeof sample, &sample, sizeof sample);
    } else {
      std::memcpy(ring + slot * values.size_bytes(), values.data(), values.size_bytes());
    }
  }
  publish(channel.head, feed.head);
}

void WindowFeeder::serve_camera() {
  mps2::CameraChannel& channel = window_.camera;
  const std::uint32_t request = fresh(channel.request);
  if (request == camera_handled_ || !camera_) return;
  camera_handled_ = request;
  const std::string label = text_of(channel.label);
  std::uint32_t bytes = 0;
  const bool known = std::any_of(boards::kCameraResolutions.begin(), boards::kCameraResolutions.end(), [&](auto each) {
    return each.width == channel.width && each.height == channel.height;
  });
  const std::optional<Picture> picture =
      known ? camera_->next(label, channel.width, channel.height) : std::optional<Picture>();
  if (picture) {
    const std::optional<std::vector<std::uint8_t>> frame = camera_frame(*picture, form_);
    if (frame && frame->size() <= window_.frame.size()) {
      std::copy(frame->begin(), frame->end(), window_.frame.begin());
      bytes = static_cast<std::uint32_t>(frame->size());
    }
    std::string shown = camera_->description();
    if (started_ && shown != last_shown_) started_("Camera", label, shown);
    last_shown_ = std::move(shown);
  }
  publish(channel.bytes, bytes);
  publish(channel.reply, request);
}

}  // namespace tml::fw::native
