// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/virtual_camera.hpp"

#include <algorithm>

namespace tml::fw::native {
namespace {

constexpr int kJpegQuality = 90;

}  // namespace

std::optional<std::vector<std::uint8_t>> camera_frame(const Picture& picture, CameraForm form) {
  if (form == CameraForm::rgb) return picture.rgb;
  if (form == CameraForm::grayscale) return to_grayscale(picture);
  auto jpeg = to_jpeg(picture, kJpegQuality);
  if (!jpeg) return std::nullopt;
  // Hosts tell raw pixels by their size; decoders take no notice of what follows the end marker.
  const std::size_t pixels = std::size_t{picture.width} * picture.height;
  if (jpeg->size() == pixels || jpeg->size() == 3 * pixels) jpeg->push_back(0);
  return *std::move(jpeg);
}

VirtualCamera::VirtualCamera(CameraForm form, std::unique_ptr<CameraSource> source, const hal::Clock& clock,
                             Label label, Shown shown)
    : form_(form),
      source_(std::move(source)),
      clock_(clock),
      label_(std::move(label)),
      shown_(std::move(shown)),
      info_{boards::kCameraResolutions,
            form == CameraForm::grayscale ? hal::ColourDepth::grayscale : hal::ColourDepth::rgb} {}

bool VirtualCamera::start(hal::CameraResolution resolution) {
  state_ = State::idle;
  const std::string label = label_ ? label_() : std::string();
  std::optional<Picture> picture = source_->next(label, resolution.width, resolution.height);
  if (!picture) return false;
  std::string shown = source_->description();
  if (shown_ && shown != last_shown_) shown_(label, shown);
  last_shown_ = std::move(shown);
  std::optional<std::vector<std::uint8_t>> frame = camera_frame(*picture, form_);
  if (!frame) return false;
  frame_ = std::move(*frame);
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
