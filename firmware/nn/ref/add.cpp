// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// ADD: both inputs are brought to one scale (after a left shift by 20 for precision), added, and scaled to the output.
#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/ref/binary.hpp"

namespace tml::fw::nn::ref {

using wire::model::BinaryStep;

void add(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  constexpr int kLeftShift = 20;
  const auto& s = as<BinaryStep>(record);
  for_each_pair(s, constants, arena, [&s](std::int8_t a, std::int8_t b) {
    const std::int32_t a_scaled = scale_fixed((a + s.offset1) * (1 << kLeftShift), s.multiplier1, s.shift1);
    const std::int32_t b_scaled = scale_fixed((b + s.offset2) * (1 << kLeftShift), s.multiplier2, s.shift2);
    const std::int32_t sum = scale_fixed(a_scaled + b_scaled, s.multiplier, s.shift);
    return clamp_to(wrap_add(sum, s.output_zero), s.minimum, s.maximum);
  });
}

}  // namespace tml::fw::nn::ref
