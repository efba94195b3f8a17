// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/window_camera.hpp"

#include <algorithm>
#include <cstring>

#include "firmware/boards/mps2_an386/event_port.hpp"
#include "firmware/boards/mps2_an386/registers.hpp"

namespace tml::fw::mps2 {
namespace {

constexpr std::uint64_t kLateUs = 2000;  // between two looks at a picture that is late

}  // namespace

WindowCamera::WindowCamera(Window& window, const hal::Clock& clock, WindowSensor::Label label)
    : window_(window),
      clock_(clock),
      label_(label),
      info_{boards::kCameraResolutions,
            window.camera.grayscale != 0 ? hal::ColourDepth::grayscale : hal::ColourDepth::rgb} {}

bool WindowCamera::start(hal::CameraResolution resolution) {
  CameraChannel& channel = window_.camera;
  const std::string_view label = label_();
  const std::size_t length = std::min(label.size(), channel.label.size() - 1);
  std::copy_n(label.begin(), length, channel.label.begin());
  channel.label[length] = '\0';
  channel.width = resolution.width;
  channel.height = resolution.height;
  data_barrier();
  *static_cast<volatile std::uint32_t*>(&channel.request) = channel.request + 1;
  tell("r\n");
  // A sensor runs on between two pictures; a new one is due at its own pace, or one period after a pause.
  const std::uint64_t now_us = clock_.device_us();
  const bool running = now_us >= ready_us_ && now_us < ready_us_ + boards::kPictureUs;
  ready_us_ = running ? ready_us_ + boards::kPictureUs : now_us + boards::kPictureUs;
  asked_us_ = 0;
  give_up_us_ = clock_.wire_us() + kTimeoutUs;
  state_ = State::busy;
  return true;
}

hal::Camera::State WindowCamera::state() {
  if (state_ != State::busy || clock_.device_us() < ready_us_) return state_;
  const bool there = *static_cast<volatile std::uint32_t*>(&window_.camera.reply) == window_.camera.request;
  data_barrier();
  if (there) {
    state_ = window_.camera.bytes != 0 ? State::ready : State::failed;
  } else if (clock_.wire_us() > give_up_us_) {
    state_ = State::failed;
  } else {
    asked_us_ = clock_.device_us();
  }
  return state_;
}

std::uint64_t WindowCamera::ready_us() const { return asked_us_ == 0 ? ready_us_ : asked_us_ + kLateUs; }

bool WindowCamera::read(std::uint32_t offset, std::span<std::uint8_t> into) {
  if (state_ != State::ready || offset > frame_bytes() || into.size() > frame_bytes() - offset) return false;
  std::memcpy(into.data(), window_.frame.data() + offset, into.size());
  return true;
}

}  // namespace tml::fw::mps2
