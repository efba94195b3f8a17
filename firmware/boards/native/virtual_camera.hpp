// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The camera of the virtual board: pictures of a source at the pace of a sensor with 15 pictures per second of device
// time, as raw pixels or as JPEG.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firmware/boards/common/sensor_table.hpp"
#include "firmware/boards/native/camera_source.hpp"
#include "firmware/hal/camera.hpp"
#include "firmware/hal/clock.hpp"

namespace tml::fw::native {

enum class CameraForm : std::uint8_t {
  rgb,        ///< Three bytes per pixel.
  grayscale,  ///< One byte per pixel.
  jpeg        ///< A JPEG of quality 90, as boards with AT 1.8 may send (wire reference 1.5).
};

/// The picture as the camera sends it; none when it cannot be encoded.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> camera_frame(const Picture& picture, CameraForm form);

class VirtualCamera final : public hal::Camera {
 public:
  static constexpr std::uint64_t kPictureUs = boards::kPictureUs;
  using Label = std::function<std::string()>;
  using Shown = std::function<void(const std::string& label, const std::string& source)>;

  /// `label` tells the label that is set, `shown` is told when another source is shown than before; both may be empty.
  /// `clock` outlives the camera.
  VirtualCamera(CameraForm form, std::unique_ptr<CameraSource> source, const hal::Clock& clock, Label label,
                Shown shown = {});

  [[nodiscard]] const hal::CameraInfo& info() const override { return info_; }
  [[nodiscard]] bool start(hal::CameraResolution resolution) override;
  [[nodiscard]] State state() override;
  [[nodiscard]] std::uint64_t ready_us() const override { return ready_us_; }
  [[nodiscard]] std::uint32_t frame_bytes() const override { return static_cast<std::uint32_t>(frame_.size()); }
  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override;
  void stop() override { state_ = State::idle; }
  [[nodiscard]] SourceState source_state() const { return source_->state(); }
  void restore(const SourceState& state) { source_->restore(state); }

 private:
  CameraForm form_;
  std::unique_ptr<CameraSource> source_;
  const hal::Clock& clock_;
  Label label_;
  Shown shown_;
  hal::CameraInfo info_;
  State state_ = State::idle;
  std::uint64_t ready_us_ = 0;
  std::vector<std::uint8_t> frame_;
  std::string last_shown_;
};

}  // namespace tml::fw::native
