// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The other side of the host window: gives the firmware in QEMU the readings and pictures that it asks for.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/boards/mps2_an386/host_window.hpp"
#include "firmware/boards/native/camera_source.hpp"
#include "firmware/boards/native/sensor_source.hpp"
#include "firmware/boards/native/synth.hpp"
#include "firmware/boards/native/virtual_camera.hpp"

namespace tml::fw::native {

/// One thread. Readings are made up to a full ring ahead; what the firmware did not take is handed back to the source
/// (SensorSource::end).
class WindowFeeder {
 public:
  /// Told of each capture that begins, and of the camera when it shows another source than before.
  using Started = std::function<void(std::string_view sensor, const std::string& label, const std::string& source)>;

  /// Puts the channels into their state after power-up. `sources` by SensorKind, each there; `camera` may be null.
  /// `window` outlives the object.
  WindowFeeder(mps2::Window& window, std::vector<std::unique_ptr<SensorSource>> sources,
               std::unique_ptr<CameraSource> camera, CameraForm form, Started started);

  /// Answers what is asked.
  void serve();

  /// The firmware was reset: nothing runs any more.
  void stop();

 private:
  struct Feed {
    std::uint32_t handled = 0;
    bool running = false;
    std::uint32_t head = 0;
  };
  void serve_sensor(std::size_t index);
  void serve_camera();
  void fill(std::size_t index);
  void end(std::size_t index);

  mps2::Window& window_;
  std::vector<std::unique_ptr<SensorSource>> sources_;
  std::unique_ptr<CameraSource> camera_;
  CameraForm form_;
  Started started_;
  std::array<Feed, boards::kSensorKinds> feeds_{};
  std::uint32_t camera_handled_ = 0;
  std::string last_shown_;
};

}  // namespace tml::fw::native
