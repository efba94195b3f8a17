// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The hash by which an SMP server names an image that was uploaded: of a MCUboot image the SHA-256 in its TLV area
// (MCUboot, "Image format"), of our signed files that of each payload.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tml::flashlink {

using ImageHash = std::array<std::uint8_t, 32>;

/// The candidates, in the order of the file; none for a file of another kind or one that contradicts itself.
[[nodiscard]] std::vector<ImageHash> image_hashes(std::span<const std::byte> file);

}  // namespace tml::flashlink
