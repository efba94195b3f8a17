// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What this application says of itself (common/wire/manifest.hpp, ImageHeader), at 0x200 of its image.
#pragma once

#include "common/wire/manifest.hpp"

namespace tml::fw::mps2 {

inline constexpr std::size_t kArenaBytes = 1U << 20U;

[[nodiscard]] const wire::flash::ImageHeader& image_header();

}  // namespace tml::fw::mps2
