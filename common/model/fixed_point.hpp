// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// How the TFLite reference derives integers from scales: fused activation ranges and the tables that firmware/nn has no
// generator for. Source: tensorflow/lite/kernels/kernel_util.cc, internal/reference/{leaky_relu,hard_swish,reduce}.h
// and tensorflow/lite/micro/kernels. Pure functions.
#pragma once

#include <cstdint>
#include <optional>

#include "common/model/graph.hpp"
#include "firmware/nn/tables.hpp"

namespace tml::model {

struct Range {
  std::int8_t minimum = -128;
  std::int8_t maximum = 127;
};

/// CalculateActivationRangeQuantized() for int8. Nothing for an activation that the reference does not clamp (tanh,
/// sign bit), or where a bound overflows int32.
[[nodiscard]] std::optional<Range> activation_range(Activation activation, float scale, std::int32_t zero_point);

/// A stand-alone activation: rescaled from input to output quantisation (QuantizedReluX), then clamped.
[[nodiscard]] fw::nn::ByteTable clamped_table(fw::nn::Quantisation input, fw::nn::Quantisation output, Range range);
/// LEAKY_RELU. `alpha` finite.
[[nodiscard]] fw::nn::ByteTable leaky_relu_table(fw::nn::Quantisation input, fw::nn::Quantisation output, float alpha);
/// HARD_SWISH. Nothing where the reference refuses the scales (an output scale above 1/128 of the input's).
[[nodiscard]] std::optional<fw::nn::ByteTable> hard_swish_table(fw::nn::Quantisation input,
                                                                fw::nn::Quantisation output);

/// QuantizedMeanOrSum(): the rescaling with 1/count folded in, as the reference does it.
[[nodiscard]] fw::nn::Multiplier mean_multiplier(float input_scale, float output_scale, std::int64_t count);

}  // namespace tml::model
