// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A camera whose pictures the runner puts into the host window, at the pace of a sensor with 15 pictures per second of
// device time.
#pragma once

#include "firmware/boards/mps2_an386/host_window.hpp"
#include "firmware/boards/mps2_an386/window_sensor.hpp"
#include "firmware/hal/camera.hpp"
#include "firmware/hal/clock.hpp"

namespace tml::fw::mps2 {

class WindowCamera final : public hal::Camera {
 public:
  /// A picture that has not come after this is lost.
  static constexpr std::uint64_t kTimeoutUs = 5'000'000;

  WindowCamera(Window& window, const hal::Clock& clock, WindowSensor::Label label);

  [[nodiscard]] const hal::CameraInfo& info() const override { return info_; }
  [[nodiscard]] bool start(hal::CameraResolution resolution) override;
  [[nodiscard]] State state() override;
  [[nodiscard]] std::uint64_t ready_us() const override;
  [[nodiscard]] std::uint32_t frame_bytes() const override { return window_.camera.bytes; }
  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override;
  void stop() override { state_ = State::idle; }

 private:
  Window& window_;
  const hal::Clock& clock_;
  WindowSensor::Label label_;
  hal::CameraInfo info_;
  State state_ = State::idle;
  std::uint64_t ready_us_ = 0;
  std::uint64_t give_up_us_ = 0;  // wire time
  std::uint64_t asked_us_ = 0;    // device time of the last look at a picture that is late
};

}  // namespace tml::fw::mps2
