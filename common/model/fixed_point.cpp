// SPDX-License-Identifier: Apache-2.0
#include "common/model/fixed_point.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "firmware/nn/fixed_point.hpp"

namespace tml::model {
namespace {

using fw::nn::ByteTable;
using fw::nn::Multiplier;
using fw::nn::quantize_multiplier;
using fw::nn::scale_by;
using fw::nn::wrap_add;

std::optional<std::int32_t> quantised(float real, float scale, std::int32_t zero_point) {
  const float rounded = std::round(real / scale);
  if (!(std::abs(rounded) <= 2'000'000'000.0F)) return std::nullopt;
  return zero_point + static_cast<std::int32_t>(rounded);
}

template <typename Function>
ByteTable each(Function&& value_of) {
  ByteTable table{};
  for (int n = 0; n < 256; ++n)
    table[static_cast<std::size_t>(n)] =
        static_cast<std::int8_t>(std::clamp<std::int32_t>(value_of(n - 128), -128, 127));
  return table;
}

// The 16-bit forms of gemmlowp's and the reference's products.
std::int16_t rounding_product(std::int16_t a, std::int16_t b) {
  if (a == b && a == std::numeric_limits<std::int16_t>::min()) return std::numeric_limits<std::int16_t>::max();
  const std::int32_t product = std::int32_t{a} * b;
  const std::int32_t nudge = product >= 0 ? (1 << 14) : 1 - (1 << 14);
  return static_cast<std::int16_t>((product + nudge) / (1 << 15));
}
std::int16_t truncating_product(std::int16_t a, std::int16_t b) {
  if (a == b && a == std::numeric_limits<std::int16_t>::min()) return std::numeric_limits<std::int16_t>::max();
  return static_cast<std::int16_t>(std::int32_t{a} * b / (1 << 15));
}
std::int16_t saturating_left(std::int16_t value, int shift) {
  return static_cast<std::int16_t>(
      std::clamp<std::int64_t>(std::int64_t{value} * (std::int64_t{1} << shift), -32768, 32767));
}
std::int16_t rounding_right(std::int16_t value, int shift) {
  if (shift > 15) return 0;
  const std::int32_t mask = (1 << shift) - 1;
  const std::int32_t remainder = value & mask;
  const std::int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
  return static_cast<std::int16_t>((value >> shift) + (remainder > threshold ? 1 : 0));
}
std::int16_t halved(std::int32_t multiplier) {
  constexpr std::int32_t kRound = 1 << 15;
  if (multiplier >= std::numeric_limits<std::int32_t>::max() - kRound) return std::numeric_limits<std::int16_t>::max();
  return static_cast<std::int16_t>((multiplier + kRound) >> 16);
}

}  // namespace

std::optional<Range> activation_range(Activation activation, float scale, std::int32_t zero_point) {
  std::optional<std::int32_t> low = -128;
  std::optional<std::int32_t> high = 127;
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
      low = quantised(0, scale, zero_point);
      break;
    case Activation::relu6:
      low = quantised(0, scale, zero_point);
      high = quantised(6, scale, zero_point);
      break;
    case Activation::relu_n1_to_1:
      low = quantised(-1, scale, zero_point);
      high = quantised(1, scale, zero_point);
      break;
    case Activation::tanh:
    case Activation::sign_bit:
      return std::nullopt;
  }
  if (!low || !high) return std::nullopt;
  Range range;
  range.minimum = static_cast<std::int8_t>(std::clamp(*low, -128, 127));
  range.maximum = static_cast<std::int8_t>(std::clamp(*high, -128, 127));
  return range;
}

ByteTable clamped_table(fw::nn::Quantisation input, fw::nn::Quantisation output, Range range) {
  const auto multiplier = quantize_multiplier(static_cast<double>(input.scale) / static_cast<double>(output.scale));
  return each([&](std::int32_t value) {
    return std::clamp<std::int32_t>(wrap_add(scale_by(value - input.zero_point, multiplier), output.zero_point),
                                    range.minimum, range.maximum);
  });
}

ByteTable leaky_relu_table(fw::nn::Quantisation input, fw::nn::Quantisation output, float alpha) {
  // The reference divides in single precision here.
  const auto negative = static_cast<double>(input.scale * alpha / output.scale);
  const auto sloped = quantize_multiplier(std::abs(negative));
  const Multiplier slope{negative < 0 ? -sloped.value : sloped.value, sloped.shift};
  const auto straight = quantize_multiplier(static_cast<double>(input.scale / output.scale));
  return each([&](std::int32_t value) {
    const std::int32_t centred = value - input.zero_point;
    return wrap_add(scale_by(centred, centred >= 0 ? straight : slope), output.zero_point);
  });
}

std::optional<ByteTable> hard_swish_table(fw::nn::Quantisation input, fw::nn::Quantisation output) {
  const float fine = (1.0F / 128.0F) * input.scale;
  const auto out = quantize_multiplier(static_cast<double>(fine / output.scale));
  const auto relu = quantize_multiplier(static_cast<double>(fine / (3.0F / 32768.0F)));
  if (out.shift > 0) return std::nullopt;
  const std::int16_t out_multiplier = halved(out.value);
  const std::int16_t relu_multiplier = halved(relu.value);
  return each([&](std::int32_t value) {
    const auto centred = static_cast<std::int16_t>((value - input.zero_point) * 128);
    const std::int16_t scaled = rounding_product(centred, out_multiplier);
    std::int16_t gate = centred;
    if (relu.shift > 0) gate = saturating_left(gate, relu.shift - 1);
    gate = rounding_product(gate, relu_multiplier);
    if (relu.shift > 0) gate = saturating_left(gate, 1);
    if (relu.shift < 0) gate = rounding_right(gate, -relu.shift);
    gate = static_cast<std::int16_t>((gate + (1 << 15)) >> 1);
    return rounding_right(truncating_product(gate, scaled), -out.shift) + output.zero_point;
  });
}

Multiplier mean_multiplier(float input_scale, float output_scale, std::int64_t count) {
  auto multiplier = quantize_multiplier(static_cast<double>(input_scale) / static_cast<double>(output_scale));
  int shift = 63 - std::countl_zero(static_cast<std::uint64_t>(count));
  shift = std::min(shift, 32);
  shift = std::min(shift, 31 + multiplier.shift);
  multiplier.value = static_cast<std::int32_t>((static_cast<std::int64_t>(multiplier.value) << shift) / count);
  multiplier.shift -= shift;
  return multiplier;
}

}  // namespace tml::model
