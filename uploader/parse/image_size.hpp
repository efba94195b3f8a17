// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Width and height from the header of a JPEG (ITU-T T.81, annex B: the first start-of-frame segment) or PNG (RFC 2083,
// section 11.2.2: IHDR) file. Nothing is decoded. Of a JPEG at most 4096 segment headers are visited, each 9 bytes; the
// EXIF orientation is not applied: the size is that of the stored pixels, to which annotations refer.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/error.hpp"
#include "uploader/parse/source.hpp"

namespace tml::uploader {

/// Pixels, both at least 1.
struct ImageSize {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  friend bool operator==(const ImageSize&, const ImageSize&) = default;
};

/// Errc::unsupported when it is neither kind, Errc::malformed (where names the byte) for a broken header, Errc::limit
/// for more segments than that.
[[nodiscard]] Result<ImageSize> read_image_size(const RandomSource& source, std::string_view where);

}  // namespace tml::uploader
