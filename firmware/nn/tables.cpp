// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/tables.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "firmware/nn/exponential.hpp"
#include "firmware/nn/fixed_point.hpp"

namespace tml::fw::nn {
namespace {

constexpr std::int32_t kOne = std::numeric_limits<std::int32_t>::max();  // 1 in Q0.31, as near as it goes

// (1 - x) / (1 + x) for x in [0, 1), both Q0.31.
std::int32_t one_minus_over_one_plus(std::int32_t x) {
  constexpr std::int32_t kOneQ2 = std::int32_t{1} << 29;
  const auto half_denominator = static_cast<std::int32_t>((std::int64_t{x} + kOne + 1) / 2);
  std::int32_t y = wrap_add(1515870810, high_mul(half_denominator, -1010580540));
  for (int step = 0; step < 3; ++step)
    y = wrap_add(y, multiply_by_power(high_mul(y, wrap_sub(kOneQ2, high_mul(half_denominator, y))), 2));
  return multiply_by_power(wrap_sub(y, kOneQ2), 2);
}

// 1 / (1 + exp(-a)), a in Q4.27, result in Q0.31.
std::int32_t logistic(std::int32_t a) {
  if (a == 0) return std::int32_t{1} << 30;
  const std::int32_t of_magnitude = one_over_one_plus(exp_of_negative(a > 0 ? -a : a, 4));
  return a > 0 ? of_magnitude : kOne - of_magnitude;
}

// tanh(a), a in Q4.27, result in Q0.31. The doubled exponent is the same number read as Q5.26.
std::int32_t hyperbolic_tangent(std::int32_t a) {
  if (a == 0) return 0;
  const std::int32_t of_magnitude = one_minus_over_one_plus(exp_of_negative(a > 0 ? -a : a, 5));
  return a > 0 ? of_magnitude : -of_magnitude;
}

// CalculateInputRadius(): the largest difference that stays in range when shifted left and scaled.
double input_radius(int integer_bits, int left_shift) {
  const double most = std::ldexp(static_cast<double>((1 << integer_bits) - 1), 31 - integer_bits);
  return std::floor(std::ldexp(most, -left_shift));
}

// LOGISTIC and TANH: both scale the input to Q4.27 and saturate beyond the input radius.
template <typename Function>
ByteTable saturating_table(Quantisation input, const Function& value_at) {
  constexpr int kIntegerBits = 4;
  int shift = 0;
  const double fraction = std::frexp(std::ldexp(static_cast<double>(input.scale), 31 - kIntegerBits), &shift);
  const auto multiplier = static_cast<std::int32_t>(std::round(std::ldexp(fraction, 31)));
  const double radius = input_radius(kIntegerBits, shift);
  ByteTable table{};
  for (int n = 0; n < 256; ++n) {
    const int value = n - 128 - input.zero_point;
    std::int32_t out = 0;
    if (value <= -radius)
      out = -128;
    else if (value >= radius)
      out = 127;
    else
      out = value_at(scale_fixed(value, multiplier, std::clamp(shift, -31, 31)));
    table[static_cast<std::size_t>(n)] = clamp_to(out, -128, 127);
  }
  return table;
}

template <typename Function>
ByteTable table_of(const Function& value_at) {
  ByteTable table{};
  for (int n = 0; n < 256; ++n) table[static_cast<std::size_t>(n)] = value_at(n - 128);
  return table;
}

}  // namespace

Multiplier quantize_multiplier(double real) {
  if (real == 0.0) return {};
  Multiplier m;
  const double fraction = std::frexp(real, &m.shift);
  auto fixed = static_cast<std::int64_t>(std::round(std::ldexp(fraction, 31)));
  if (fixed == std::int64_t{1} << 31) {
    fixed /= 2;
    ++m.shift;
  }
  if (m.shift < -31) return {};
  m.value = static_cast<std::int32_t>(fixed);
  return m;
}

std::int32_t scale_by(std::int32_t value, Multiplier multiplier) {
  return scale_fixed(value, multiplier.value, multiplier.shift);
}

SoftmaxScale softmax_scale(float input_scale, float beta) {
  constexpr int kIntegerBits = 5;
  const double real =
      std::min(static_cast<double>(beta) * static_cast<double>(input_scale) * (1 << (31 - kIntegerBits)),
               static_cast<double>(std::int64_t{1} << 31) - 1.0);
  const Multiplier m = quantize_multiplier(real);
  return {m.value, static_cast<std::uint8_t>(m.shift),
          static_cast<std::uint8_t>(std::min(input_radius(kIntegerBits, m.shift), 255.0))};
}

ByteTable logistic_table(Quantisation input) {
  return saturating_table(input, [](std::int32_t a) { return divide_by_power(logistic(a), 31 - 8) - 128; });
}

ByteTable tanh_table(Quantisation input) {
  return saturating_table(input, [](std::int32_t a) { return divide_by_power(hyperbolic_tangent(a), 31 - 7); });
}

ByteTable relu_table(Quantisation input, Quantisation output) {
  const Multiplier m = quantize_multiplier(static_cast<double>(input.scale) / static_cast<double>(output.scale));
  return table_of([&](int value) {
    const std::int32_t scaled = wrap_add(scale_by(value - input.zero_point, m), output.zero_point);
    return clamp_to(scaled, std::max<std::int32_t>(-128, output.zero_point), 127);
  });
}

ByteTable relu6_table(Quantisation input) {
  const double six = std::round(static_cast<double>(6.0F / input.scale)) + input.zero_point;
  const auto upper = static_cast<std::int32_t>(std::clamp(six, -128.0, 127.0));
  return table_of([&](int value) {
    // The upper bound comes first, as in the reference: it matters where six is below zero's clamp.
    return static_cast<std::int8_t>(value > upper ? upper : value < input.zero_point ? input.zero_point : value);
  });
}

ByteTable requantize_table(Quantisation input, Quantisation output) {
  const Multiplier m = quantize_multiplier(static_cast<double>(input.scale) / static_cast<double>(output.scale));
  return table_of([&](int value) {
    return clamp_to(wrap_add(scale_by(value - input.zero_point, m), output.zero_point), -128, 127);
  });
}

}  // namespace tml::fw::nn
