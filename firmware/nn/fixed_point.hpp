// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The fixed-point arithmetic of the TensorFlow Lite reference kernels ("double rounding"), which gemmlowp's
// fixedpoint.h defines: written anew from that definition, with defined results for every input. Where the reference's
// int32 would overflow (undefined there), these functions wrap, as the instructions of a Cortex-M4 do.
#pragma once

#include <cstdint>
#include <limits>

namespace tml::fw::nn {

[[nodiscard]] constexpr std::int32_t wrap_add(std::int32_t a, std::int32_t b) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));
}
[[nodiscard]] constexpr std::int32_t wrap_sub(std::int32_t a, std::int32_t b) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) - static_cast<std::uint32_t>(b));
}
/// `left` in [0, 31].
[[nodiscard]] constexpr std::int32_t wrap_shift_left(std::int32_t a, int left) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(a) << left);
}

/// SaturatingRoundingDoublingHighMul: a * b / 2^31, halves towards plus infinity; -2^31 * -2^31 saturates.
[[nodiscard]] constexpr std::int32_t high_mul(std::int32_t a, std::int32_t b) {
  const auto high = static_cast<std::int32_t>((std::int64_t{a} * b + (std::int64_t{1} << 30)) >> 31);
  // Only 2^31 wraps to this: -2^31 * (2^31 - 1) gives -2^31 + 1.
  constexpr std::int32_t kLeast = std::numeric_limits<std::int32_t>::min();
  return high == kLeast ? std::numeric_limits<std::int32_t>::max() : high;
}

/// RoundingDivideByPOT: x / 2^exponent, halves away from zero. `exponent` in [0, 31].
[[nodiscard]] constexpr std::int32_t divide_by_power(std::int32_t x, int exponent) {
  const auto mask = static_cast<std::int32_t>((std::uint32_t{1} << exponent) - 1U);
  const std::int32_t remainder = x & mask;
  const std::int32_t threshold = (mask >> 1) + (x < 0 ? 1 : 0);
  return (x >> exponent) + (remainder > threshold ? 1 : 0);
}

/// The same for x >= 0, `exponent` in [1, 32].
[[nodiscard]] constexpr std::int32_t divide_positive_by_power(std::int32_t x, int exponent) {
  return ((x >> (exponent - 1)) + 1) >> 1;
}

/// SaturatingRoundingMultiplyByPOT with a positive exponent: x * 2^exponent, saturating. `exponent` in [1, 30].
[[nodiscard]] constexpr std::int32_t multiply_by_power(std::int32_t x, int exponent) {
  const std::int32_t threshold = (std::int32_t{1} << (31 - exponent)) - 1;
  if (x > threshold) return std::numeric_limits<std::int32_t>::max();
  if (x < -threshold) return std::numeric_limits<std::int32_t>::min();
  return wrap_shift_left(x, exponent);
}

/// MultiplyByQuantizedMultiplier: x * multiplier / 2^31 * 2^shift. `shift` in [-31, 31], positive = left.
[[nodiscard]] constexpr std::int32_t scale_fixed(std::int32_t x, std::int32_t multiplier, int shift) {
  const int left = shift > 0 ? shift : 0;
  const int right = shift > 0 ? 0 : -shift;
  return divide_by_power(high_mul(wrap_shift_left(x, left), multiplier), right);
}

[[nodiscard]] constexpr std::int8_t clamp_to(std::int32_t x, std::int32_t minimum, std::int32_t maximum) {
  return static_cast<std::int8_t>(x < minimum ? minimum : x > maximum ? maximum : x);
}

/// From the accumulator of a convolution or fully connected layer to its output value. `shift_byte`: the channel's
/// shift byte of model_steps.hpp; TFLite's shift is -(shift_byte + 1).
[[nodiscard]] constexpr std::int8_t requantise(std::int32_t acc, std::int32_t multiplier, std::int8_t shift_byte,
                                               std::int32_t output_zero, std::int32_t minimum, std::int32_t maximum) {
  return clamp_to(wrap_add(scale_fixed(acc, multiplier, -1 - shift_byte), output_zero), minimum, maximum);
}

/// 1 / (1 + x) for x in [0, 1), both Q0.31: Newton-Raphson division with three steps in Q2.29.
[[nodiscard]] constexpr std::int32_t one_over_one_plus(std::int32_t x) {
  constexpr std::int32_t kOne = std::int32_t{1} << 29;
  // RoundingHalfSum(x, 1): x is never negative here.
  const auto half_denominator = static_cast<std::int32_t>((static_cast<std::uint32_t>(x) + 0x80000000U) >> 1);
  std::int32_t y = wrap_add(1515870810, high_mul(half_denominator, -1010580540));  // 48/17 - 32/17 d
  for (int step = 0; step < 3; ++step) {
    const std::int32_t error = wrap_sub(kOne, high_mul(half_denominator, y));
    y = wrap_add(y, wrap_shift_left(high_mul(y, error), 2));  // |y * error| < 1/4: nothing to saturate
  }
  return y >= kOne * 2 ? std::numeric_limits<std::int32_t>::max() : wrap_shift_left(y, 1);
}

}  // namespace tml::fw::nn
