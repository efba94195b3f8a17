// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// exp() of the TensorFlow Lite reference kernels in fixed point, which gemmlowp's fixedpoint.h defines
// (exp_on_negative_values), written anew from that definition. Defined for every input, exact to the reference's bits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "firmware/nn/fixed_point.hpp"

namespace tml::fw::nn {

/// exp(-2^n) for n = -2, -1, ... 4 in Q0.31.
inline constexpr std::array<std::int32_t, 7> kExpOfMinusPower{1672461947, 1302514674, 790015084, 290630308,
                                                              39332535,   720401,     242};

/// exp(a) for a in [-1/4, 0), both Q0.31: Taylor expansion round -1/8.
[[nodiscard, gnu::always_inline]] constexpr std::int32_t exp_near_zero(std::int32_t a) {
  constexpr std::int32_t kExpMinusEighth = 1895147668;
  constexpr std::int32_t kThird = 715827883;
  const std::int32_t x = a + (1 << 28);
  const std::int32_t x2 = high_mul(x, x);
  const std::int32_t x3 = high_mul(x2, x);
  const std::int32_t x4 = high_mul(x2, x2);
  const std::int32_t quarter_x4 = divide_positive_by_power(x4, 2);
  // x2 outweighs the rest: never negative.
  const std::int32_t higher = divide_positive_by_power(high_mul(quarter_x4 + x3, kThird) + x2, 1);
  return kExpMinusEighth + high_mul(kExpMinusEighth, x + higher);
}

/// exp(a) for a <= 0 with `integer_bits` (1 to 5) before the point; result in Q0.31.
[[nodiscard]] constexpr std::int32_t exp_of_negative(std::int32_t a, int integer_bits) {
  if (a == 0) return std::numeric_limits<std::int32_t>::max();
  const std::int32_t quarter = std::int32_t{1} << (29 - integer_bits);
  const std::int32_t part = (a & (quarter - 1)) - quarter;
  std::int32_t result = exp_near_zero(wrap_shift_left(part, integer_bits));
  // One factor for each bit of the rest, the lowest of which stands for a quarter.
  std::int32_t rest = wrap_sub(part, a) >> (29 - integer_bits);
  for (int n = 0; n < integer_bits + 2; ++n, rest >>= 1)
    if ((rest & 1) != 0) result = high_mul(result, kExpOfMinusPower[static_cast<std::size_t>(n)]);
  return result;
}

}  // namespace tml::fw::nn
