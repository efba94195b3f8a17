// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The numbers that a compiler computes ahead of time: fixed-point multipliers, and look-up tables that hold the result
// of a TensorFlow Lite Micro reference kernel for each of the 256 input values. Plain functions without memory of their
// own; not linked into firmware that does not compile models.
//
// "Reference" below: tensorflow/lite/kernels/internal/{quantization_util.cc, common.h, reference/integer_ops} and
// tensorflow/lite/micro/kernels, double rounding (TFLITE_SINGLE_ROUNDING off). Scales are the float32 of the .tflite.
#pragma once

#include <array>
#include <cstdint>

namespace tml::fw::nn {

using ByteTable = std::array<std::int8_t, 256>;  ///< [value + 128]: the `table` of TableStep.

struct Multiplier {
  std::int32_t value = 0;  ///< Q31, in [2^30, 2^31) or 0.
  int shift = 0;           ///< TFLite's sign: positive = left; -31 to 30.
};

/// QuantizeMultiplier(): real = value / 2^31 * 2^shift. `real` >= 0 and finite.
[[nodiscard]] Multiplier quantize_multiplier(double real);

/// MultiplyByQuantizedMultiplier(): int32 in, int32 out, wraps where the reference wraps.
[[nodiscard]] std::int32_t scale_by(std::int32_t value, Multiplier multiplier);

struct Quantisation {
  float scale = 1;
  std::int32_t zero_point = 0;
};

/// Softmax: the fields of SoftmaxStep of these names. `input_scale` * `beta` * 2^26 >= 1, as the reference demands.
struct SoftmaxScale {
  std::int32_t multiplier = 0;
  std::uint8_t shift = 0;
  std::uint8_t limit = 0;  ///< The reference's diff_min.
};
[[nodiscard]] SoftmaxScale softmax_scale(float input_scale, float beta);

/// LOGISTIC. The reference demands an output scale of 1/256 and zero point -128; the caller checks that.
[[nodiscard]] ByteTable logistic_table(Quantisation input);
/// TANH. The reference demands an output scale of 1/128 and zero point 0.
[[nodiscard]] ByteTable tanh_table(Quantisation input);
/// RELU: rescaled from input to output quantisation, at least the output's zero point.
[[nodiscard]] ByteTable relu_table(Quantisation input, Quantisation output);
/// RELU6: clamped between the input's 0 and 6, not rescaled (the reference ignores the output's quantisation).
[[nodiscard]] ByteTable relu6_table(Quantisation input);
/// QUANTIZE int8 to int8.
[[nodiscard]] ByteTable requantize_table(Quantisation input, Quantisation output);

}  // namespace tml::fw::nn
