// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// SOFTMAX with an output scale of 1/256 and zero point -128: each exponential is computed twice, which saves a
// table or scratch; one division per row.
#include <algorithm>
#include <bit>

#include "firmware/nn/exponential.hpp"
#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn::ref {

using wire::model::SoftmaxStep;

namespace {
// Of a value `difference` below its row's maximum, Q0.31.
[[gnu::noinline]] std::int32_t exponential(const SoftmaxStep& s, int difference) {
  if (difference > s.limit) return 0;
  return exp_of_negative(high_mul(-(difference << s.shift), s.multiplier), 5);
}
}  // namespace

void softmax(const std::uint8_t* record, const std::uint8_t* /*constants*/, std::uint8_t* arena) {
  constexpr int kSumBits = 12;  // integer bits of the sum: Q12.19
  const auto& s = as<SoftmaxStep>(record);
  const auto* input = reinterpret_cast<const std::int8_t*>(arena + s.step.input);
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  // Neither rows nor depth are 0.
  std::uint32_t rows = s.rows;
  do {
    const std::int8_t* const end = input + s.depth;
    const std::int8_t* at = input;
    int most = *at;
    do most = std::max<int>(most, *at++);
    while (at != end);
    // From 1, of the row's maximum, to kMaxSoftmaxDepth: 2^19 to below 2^31, whatever the record says.
    std::int32_t sum = 0;
    do sum += divide_positive_by_power(exponential(s, most - *--at), kSumBits);
    while (at != input);
    const int headroom = std::countl_zero(static_cast<std::uint32_t>(sum));
    const std::int32_t reciprocal = one_over_one_plus(wrap_shift_left(sum, headroom) & 0x7FFFFFFF);
    // Up to 34: from 32 on nothing is left.
    const int exponent = std::min(kSumBits - headroom + 31 - 8, 32);
    do {
      const std::int32_t share = high_mul(reciprocal, exponential(s, most - *input++));
      const std::int32_t value = divide_positive_by_power(share, exponent);
      *output++ = static_cast<std::int8_t>(std::min<std::int32_t>(value, 255) - 128);
    } while (input != end);
  } while (--rows != 0);
}

}  // namespace tml::fw::nn::ref
