// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Pictures that a virtual camera can show: JPEG, PNG, PGM and PPM (P5 and P6 of the Netpbm formats, 8 bits) as rows of
// red, green, blue.
//
// All functions are pure but load_picture(), with bounded memory; errors are Errc::malformed, Errc::limit or
// Errc::unsupported and name the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "common/base/error.hpp"

namespace tml::fw::native {

inline constexpr std::size_t kMaxPictureBytes = std::size_t{32} << 20U;   ///< Of a file.
inline constexpr std::size_t kMaxPicturePixels = std::size_t{16} << 20U;  ///< 48 MiB of memory.

struct Picture {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::vector<std::uint8_t> rgb;  ///< width x height x 3 bytes, row by row from the top left.
};

/// Whether the file name's extension is one that load_picture() reads: jpg, jpeg, png, pgm, ppm (any case).
[[nodiscard]] bool is_picture_name(const std::filesystem::path& path);

/// Tells the format by the first bytes. `where` names the file in errors. Transparent PNG pixels stand on black.
[[nodiscard]] Result<Picture> decode_picture(std::span<const std::byte> bytes, const std::string& where);

/// Blocking.
[[nodiscard]] Result<Picture> load_picture(const std::filesystem::path& path);

/// The middle of the picture in the shape asked for, each pixel the mean of those it covers. A picture of the very size
/// comes back unchanged. `picture`, width and height are not empty.
[[nodiscard]] Picture fit_picture(const Picture& picture, std::uint32_t width, std::uint32_t height);

/// Luma of ITU-R BT.601: one byte per pixel.
[[nodiscard]] std::vector<std::uint8_t> to_grayscale(const Picture& picture);

/// Quality 1 to 100.
[[nodiscard]] Result<std::vector<std::uint8_t>> to_jpeg(const Picture& picture, int quality);

}  // namespace tml::fw::native
