// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/virtual_camera.hpp"

#include <algorithm>

namespace tml::fw::native {
namespace {

// 96x96 is what vision models for microcontrollers take, the others are QQVGA and QVGA.
constexpr std::array<hal::CameraResolution, 3> kResolutions{{{96, 96}, {160, 120}, {320, 240}}};

}  // namespace

VirtualCamera::VirtualCamera(CameraForm form, std::unique_ptr<CameraSource> source, const hal::Clock& clock,
                             Label label, Shown shown)
    : form_(form),
      source_(std::move(source)),
      clock_(clock),
      label_(std::move(label)),
      shown_(std::move(shown)),
      info_{kResolutions, form == CameraForm::grayscale ? hal::ColourDepth::grayscale : hal::ColourDepth::rgb} {}

bool VirtualCamera::start(hal::CameraResolution resolution) {
  state_ = State::idle;
  const std::string label = label_ ? label_() : std::string();
  std::optional<Picture> picture = source_->next(label, resolution.width, resolution.height);
  if (!picture) return false;
  std::string shown = source_->description();
  if (shown_ && shown != last_shown_) shown_(label, shown);
  last_shown_ = std::move(shown);
  switch (form_) {
    case CameraForm::rgb:
      frame_ = std::move(picture->rgb);
      break;
    case CameraForm::grayscale:
      frame_ = to_grayscale(*picture);
      break;
    case CameraForm::jpeg: {
      auto jpeg = to_jpeg(*picture, kJpegQuality);
      if (!jpeg) return false;
      frame_ = *std::move(jpeg);
      // Hosts tell raw pixels by their size; decoders take no notice of what follows the end marker.
      const std::size_t pixels = std::size_t{resolution.width} * resolution.height;
      if (frame_.size() == pixels || frame_.size() == 3 * pixels) frame_.push_back(0);
      break;
    }
  }
  // A sensor runs on between two pictures; a new one is due at its own pace, or one period after a pause.
  const std::uint64_t now_us = clock_.device_us();
  const bool running = now_us >= ready_us_ && now_us < ready_us_ + kPictureUs;
  ready_us_ = running ? ready_us_ + kPictureUs : now_us + kPictureUs;
  state_ = State::busy;
  return true;
}

hal::Camera::State VirtualCamera::state() {
  if (state_ == State::busy && clock_.device_us() >= ready_us_) state_ = State::ready;
  return state_;
}

bool VirtualCamera::read(std::uint32_t offset, std::span<std::uint8_t> into) {
  if (state_ != State::ready || offset > frame_.size() || into.size() > frame_.size() - offset) return false;
  std::copy_n(frame_.begin() + offset, into.size(), into.begin());
  return true;
}

}  // namespace tml::fw::native
