// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Pictures as the signal processing reads them: straight from the camera, or as a host sends them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "firmware/dsp/block.hpp"
#include "firmware/hal/camera.hpp"

namespace tml::fw::app {

/// Bytes per pixel of a raw picture.
[[nodiscard]] constexpr std::uint32_t picture_channels(const hal::CameraInfo& info) {
  return info.depth == hal::ColourDepth::rgb ? 3 : 1;
}

/// The camera's present picture, without a frame buffer. The camera is `ready` as long as this is read.
class PictureSignal final : public dsp::Signal {
 public:
  void set(hal::Camera& camera, std::uint32_t bytes) {
    camera_ = &camera;
    bytes_ = bytes;
  }
  [[nodiscard]] bool read(std::size_t offset, std::span<float> into) override;

 private:
  static constexpr std::size_t kPiece = 192;
  hal::Camera* camera_ = nullptr;
  std::uint32_t bytes_ = 0;
};

/// Pixels packed into one number each, 0xRRGGBB, as the ecosystem shows "raw features" of images: three axes.
class PackedSignal final : public dsp::Signal {
 public:
  void set(std::span<const float> pixels) { pixels_ = pixels; }
  [[nodiscard]] bool read(std::size_t offset, std::span<float> into) override;

 private:
  std::span<const float> pixels_;
};

}  // namespace tml::fw::app
