// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Fused activations that saturation alone does not do. Rare: an output with a ReLU mostly has its zero point at -128.
#pragma once

#include <cstdint>

namespace tml::fw::nn::m4 {

/// False when saturation alone is the activation.
[[nodiscard]] inline bool clamps(int minimum, int maximum) { return maximum - minimum != 255; }

/// Clamps [begin, end) in place.
void clamp(std::int8_t* begin, const std::int8_t* end, int minimum, int maximum);

}  // namespace tml::fw::nn::m4
