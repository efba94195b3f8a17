// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What bootloader and applications of this board agree on: product, revision, version of this build.
#pragma once

#include <cstdint>
#include <string_view>

#ifndef TML_VERSION_NUMBER
#error "the build gives major << 24 | minor << 16 | patch"
#endif

namespace tml::fw::mps2 {

inline constexpr std::string_view kProduct = "tml-mps2-an386";
inline constexpr std::uint16_t kHardware = 1;  ///< Revision.
inline constexpr std::uint32_t kVersion = TML_VERSION_NUMBER;

}  // namespace tml::fw::mps2
