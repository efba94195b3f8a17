// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/picture.hpp"

#include <algorithm>
#include <array>

namespace tml::fw::app {

bool PictureSignal::read(std::size_t offset, std::span<float> into) {
  if (offset + into.size() > bytes_) return false;
  std::array<std::uint8_t, kPiece> bytes{};
  while (!into.empty()) {
    const auto piece = std::span(bytes).first(std::min(kPiece, into.size()));
    if (!camera_->read(static_cast<std::uint32_t>(offset), piece)) return false;
    std::copy(piece.begin(), piece.end(), into.begin());
    offset += piece.size();
    into = into.subspan(piece.size());
  }
  return true;
}

bool PackedSignal::read(std::size_t offset, std::span<float> into) {
  constexpr std::size_t kChannels = 3;
  constexpr float kMost = 16777215;  // 0xFFFFFF
  if (offset + into.size() > pixels_.size() * kChannels) return false;
  for (float& value : into) {
    const float pixel = pixels_[offset / kChannels];
    if (!(pixel >= 0 && pixel <= kMost)) return false;
    const auto packed = static_cast<std::uint32_t>(pixel);
    value = static_cast<float>(packed >> (16U - 8U * (offset % kChannels)) & 0xFFU);
    ++offset;
  }
  return true;
}

}  // namespace tml::fw::app
