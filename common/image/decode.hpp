// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// JPEG and PNG to raw pixels, with libjpeg-turbo and libpng: foreign input, bounded by kMaxDecodedPixels before memory
// is taken. Pure; any thread. Nothing throws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/error.hpp"
#include "common/image/jpeg.hpp"

namespace tml::image {

inline constexpr std::uint64_t kMaxDecodedPixels = std::uint64_t{16} << 20U;

struct Decoded {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  PixelForm form = PixelForm::rgb;  ///< Grey pictures stay grey; transparency is put over black.
  std::vector<std::byte> bytes;     ///< Row by row from the top left, without gaps.
};

/// The format is recognised by its first bytes. Errc::malformed, Errc::unsupported (another format), Errc::limit.
[[nodiscard]] Result<Decoded> decode(std::span<const std::byte> bytes);

}  // namespace tml::image
