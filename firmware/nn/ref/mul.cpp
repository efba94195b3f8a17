// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// MUL: the product of the values without their zero points, scaled to the output.
#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/ref/binary.hpp"

namespace tml::fw::nn::ref {

using wire::model::BinaryStep;

void mul(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<BinaryStep>(record);
  for_each_pair(s, constants, arena, [&s](std::int8_t a, std::int8_t b) {
    const std::int32_t product = scale_fixed((a + s.offset1) * (b + s.offset2), s.multiplier, s.shift);
    return clamp_to(wrap_add(product, s.output_zero), s.minimum, s.maximum);
  });
}

}  // namespace tml::fw::nn::ref
