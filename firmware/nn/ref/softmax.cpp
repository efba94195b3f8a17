// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// SOFTMAX with an output scale of 1/256 and zero point -128: exponentials from a table, one division per row.
#include <algorithm>
#include <bit>

#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn::ref {

using wire::model::SoftmaxStep;

void softmax(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  constexpr int kSumBits = 12;  // integer bits of the sum: Q12.19
  const auto& s = as<SoftmaxStep>(record);
  const auto* exponential = reinterpret_cast<const std::int32_t*>(constants + s.table);
  const auto* input = reinterpret_cast<const std::int8_t*>(arena + s.step.input);
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  for (std::size_t row = 0; row < s.rows; ++row, input += s.depth, output += s.depth) {
    const std::int8_t most = *std::max_element(input, input + s.depth);
    std::uint32_t sum = 0;
    for (std::size_t n = 0; n < s.depth; ++n)
      sum += static_cast<std::uint32_t>(divide_by_power(exponential[most - input[n]], kSumBits));
    // A sum of a table that the compiler made is never 0; one of a forged table must do no harm.
    const int headroom = std::countl_zero(sum | 1U);
    const auto fraction = static_cast<std::int32_t>((sum << headroom) & 0x7FFFFFFFU);
    const std::int32_t reciprocal = one_over_one_plus(fraction);
    const int exponent = kSumBits - headroom + 31 - 8;
    for (std::size_t n = 0; n < s.depth; ++n) {
      const std::int32_t share = high_mul(reciprocal, exponential[most - input[n]]);
      const std::int32_t value = exponent > 31 ? 0 : divide_by_power(share, std::max(exponent, 0));
      output[n] = clamp_to(wrap_add(value, -128), -128, 127);
    }
  }
}

}  // namespace tml::fw::nn::ref
