// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Raw pixels to JPEG, and the check of a JPEG that somebody else made (wire reference 1.11), with libjpeg-turbo.
//
// Pure functions, any thread; encoding 320x240 takes about a millisecond, so call them on a worker. Nothing throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/error.hpp"

namespace tml::image {

/// Qualities that hosts of the ecosystem use (wire reference 1.11).
inline constexpr int kStoredQuality = 100;  ///< Of a stored sample. Colours are kept at full resolution.
inline constexpr int kStreamQuality = 80;   ///< Of a frame for the eye. Colours at half resolution.

inline constexpr std::uint64_t kMaxPixels = std::uint64_t{64} << 20U;

enum class PixelForm : std::uint8_t {
  grayscale,  ///< One byte per pixel.
  rgb         ///< Three: red, green, blue.
};

struct Pixels {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  PixelForm form = PixelForm::grayscale;
  std::span<const std::byte> bytes;  ///< Row by row from the top left, without gaps.
};

/// `quality` 1 to 100; from 90 on with full colour resolution. Errc::usage when the number of bytes is not that of the
/// size and form, Errc::limit beyond kMaxPixels or 65500 pixels in one direction (the format's bound is 65535).
[[nodiscard]] Result<std::vector<std::byte>> encode_jpeg(const Pixels& pixels, int quality);

struct JpegInfo {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  bool colour = false;
};

/// Reads the header and looks for the end marker (FF D9) at the end, trailing zero bytes aside. The compressed data is
/// not decoded. Errc::malformed for anything that is no whole JPEG.
[[nodiscard]] Result<JpegInfo> check_jpeg(std::span<const std::byte> bytes);

}  // namespace tml::image
