// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a layer must give, computed a second way: from the weights in the .tflite's order, with zero points where the
// specification has them, exact integer fractions instead of fixed-point tricks, and no layouts.
#pragma once

#include "tests/support/nn/layer.hpp"

namespace tml::test::nn {

/// x * multiplier / 2^31, halves up, then * 2^shift, halves away from zero; a left shift first, wrapping at 32 bits.
[[nodiscard]] std::int64_t scaled(std::int64_t x, std::int32_t multiplier, int shift);

/// The output's bytes. Bytes that a copy skips are those of an arena that holds 0xA5 only.
[[nodiscard]] Bytes expected(const Layer& layer);

}  // namespace tml::test::nn
