// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include "common/model/lowering.hpp"

namespace tml::model {
namespace {

constexpr std::int64_t kMaxShort = std::numeric_limits<std::uint16_t>::max();

/// Four dimensions, ones in front; false when there are more or one is too long.
bool extend(const std::vector<std::int32_t>& shape, std::array<std::int64_t, 4>& to) {
  to.fill(1);
  if (shape.size() > 4) return false;
  for (std::size_t n = 0; n < shape.size(); ++n) {
    if (shape[n] > kMaxShort) return false;
    to[4 - shape.size() + n] = shape[n];
  }
  return true;
}

/// `elements` as a product of four sizes that fit; false where no simple one does.
bool factor(std::int64_t elements, std::array<std::uint16_t, 4>& to) {
  to.fill(1);
  for (std::size_t n = 4; n-- > 0;) {
    std::int64_t size = std::min(elements, kMaxShort);
    while (elements % size != 0) --size;
    to[n] = static_cast<std::uint16_t>(size);
    elements /= size;
  }
  return elements == 1;
}

}  // namespace

Lowering::Done Lowering::binary(bool add) {
  if (const auto ok = expect_counts(2, 2); !ok) return ok;
  std::int32_t first = input_index(0);
  std::int32_t second = input_index(1);
  if (graph_.tensors[static_cast<std::size_t>(first)].constant) std::swap(first, second);
  if (const auto ok = expect_activation(first, "input"); !ok) return ok;
  if (const auto ok = expect_int8(second, "second input"); !ok) return ok;
  if (const auto ok = expect_int8(output_index(), "output"); !ok) return ok;
  const auto& a = graph_.tensors[static_cast<std::size_t>(first)];
  const auto& b = graph_.tensors[static_cast<std::size_t>(second)];
  const auto& out = output();
  const auto range = fused_range(output_index());
  if (!range) return pass(range.error());

  wire::model::BinaryStep record;
  record.step.kernel = add ? wire::model::Kernel::add : wire::model::Kernel::mul;
  if (a.shape == b.shape) {
    if (const auto ok = expect_elements(output_index(), a.elements(), shape_text(a.shape)); !ok) return ok;
    std::array<std::int64_t, 4> extended{};
    if (extend(out.shape, extended)) {
      for (std::size_t n = 0; n < 4; ++n) record.shape[n] = static_cast<std::uint16_t>(extended[n]);
    } else if (!factor(out.elements(), record.shape)) {
      return refuse("shape " + shape_text(out.shape) + " has too many or too long dimensions",
                    "At most four dimensions of 65535 are supported", Errc::limit);
    }
    record.step.flags = wire::model::kSameShape;
    std::uint32_t stride = 1;
    for (std::size_t n = 4; n-- > 0;) {
      record.stride1[n] = record.stride2[n] = stride;
      stride *= record.shape[n];
    }
  } else {
    std::array<std::int64_t, 4> one{};
    std::array<std::int64_t, 4> two{};
    std::array<std::int64_t, 4> all{};
    if (!extend(a.shape, one) || !extend(b.shape, two) || !extend(out.shape, all))
      return refuse("it broadcasts " + shape_text(a.shape) + " and " + shape_text(b.shape),
                    "At most four dimensions of 65535 are supported", Errc::limit);
    std::int64_t stride1 = 1;
    std::int64_t stride2 = 1;
    for (std::size_t n = 4; n-- > 0;) {
      if ((one[n] != two[n] && one[n] != 1 && two[n] != 1) || all[n] != std::max(one[n], two[n]))
        return refuse(
            "shapes " + shape_text(a.shape) + " and " + shape_text(b.shape) + " do not make " + shape_text(out.shape),
            "The file contradicts itself; convert the model again", Errc::malformed);
      record.shape[n] = static_cast<std::uint16_t>(all[n]);
      record.stride1[n] = one[n] == 1 && all[n] != 1 ? 0 : static_cast<std::uint32_t>(stride1);
      record.stride2[n] = two[n] == 1 && all[n] != 1 ? 0 : static_cast<std::uint32_t>(stride2);
      stride1 *= one[n];
      stride2 *= two[n];
    }
  }

  const auto scale1 = static_cast<double>(a.quantisation.scales[0]);
  const auto scale2 = static_cast<double>(b.quantisation.scales[0]);
  const auto scale = static_cast<double>(out.quantisation.scales[0]);
  fw::nn::Multiplier result;
  if (add) {
    const double twice = 2 * std::max(scale1, scale2);
    const auto one = fw::nn::quantize_multiplier(scale1 / twice);
    const auto two = fw::nn::quantize_multiplier(scale2 / twice);
    result = fw::nn::quantize_multiplier(twice / ((1 << 20) * scale));
    if (result.shift > 0)
      return refuse("its output's scale is 2^20 times below its inputs'",
                    "The quantisation is broken; convert the model again", Errc::malformed);
    record.multiplier1 = one.value;
    record.shift1 = static_cast<std::int8_t>(one.shift);
    record.multiplier2 = two.value;
    record.shift2 = static_cast<std::int8_t>(two.shift);
  } else {
    result = fw::nn::quantize_multiplier(scale1 * scale2 / scale);
    if (result.shift > 30)
      return refuse("it scales up by more than 2^30", "The quantisation is broken; convert the model again",
                    Errc::malformed);
  }
  record.multiplier = result.value;
  record.shift = static_cast<std::int8_t>(result.shift);
  record.offset1 = -static_cast<std::int32_t>(a.quantisation.zero_points[0]);
  record.offset2 = -static_cast<std::int32_t>(b.quantisation.zero_points[0]);
  record.output_zero = static_cast<std::int32_t>(out.quantisation.zero_points[0]);
  record.minimum = range->minimum;
  record.maximum = range->maximum;
  Place other;
  if (b.constant) {
    record.step.flags = static_cast<std::uint8_t>(record.step.flags | wire::model::kConstantOperand);
    record.input2 = constants(b.data);
  } else {
    other = place_of(second);
  }
  macs_ = add ? 0 : static_cast<std::uint64_t>(out.elements());
  const Place from = place_of(first);
  step_append(record, from, new_output(output_index()), other);
  return {};
}

Lowering::Done Lowering::activation() {
  if (const auto ok = expect_counts(1, 1); !ok) return ok;
  if (const auto ok = expect_activation(input_index(0), "input"); !ok) return ok;
  if (const auto ok = expect_int8(output_index(), "output"); !ok) return ok;
  if (const auto ok = expect_elements(output_index(), input(0).elements(), shape_text(input(0).shape)); !ok) return ok;
  const auto in = quantisation(input(0));
  const auto out = quantisation(output());
  if (!(static_cast<double>(in.scale) / static_cast<double>(out.scale) < kGreatestMultiplier))
    return refuse("it scales up by 2^30 or more", "The quantisation is broken; convert the model again",
                  Errc::malformed);
  const auto clamped = [&](Activation kind) -> Done {
    const auto range = activation_range(kind, out.scale, out.zero_point);
    if (!range)
      return refuse("its output's scale is too small", "The quantisation is broken; convert the model again",
                    Errc::malformed);
    step_table(clamped_table(in, out, *range));
    return {};
  };
  // The reference's fixed-point input has four integer bits: from a scale of 8 on it would shift all of them out.
  constexpr float kWidest = 8;
  if ((static_cast<Op>(op_->code) == Op::logistic || static_cast<Op>(op_->code) == Op::tanh) && in.scale >= kWidest)
    return refuse("its input has scale " + std::to_string(in.scale),
                  "Less than 8 is supported; quantise with a better representative dataset");
  switch (static_cast<Op>(op_->code)) {
    case Op::logistic:
      if (out.scale != 1.0F / 256.0F || out.zero_point != -128)
        return refuse("its output is not quantised with scale 1/256 and zero point -128",
                      "Convert the model with a current TFLiteConverter, which always chooses these");
      step_table(fw::nn::logistic_table(in));
      return {};
    case Op::tanh:
      if (out.scale != 1.0F / 128.0F || out.zero_point != 0)
        return refuse("its output is not quantised with scale 1/128 and zero point 0",
                      "Convert the model with a current TFLiteConverter, which always chooses these");
      step_table(fw::nn::tanh_table(in));
      return {};
    case Op::relu:
      step_table(fw::nn::relu_table(in, out));
      return {};
    case Op::relu6:
      // TFLite Micro does not rescale here and TFLite does: where the quantisations differ, only TFLite's result means
      // anything; where they are the same, both agree.
      if (in.scale == out.scale && in.zero_point == out.zero_point) {
        step_table(fw::nn::relu6_table(in));
        return {};
      }
      return clamped(Activation::relu6);
    case Op::relu_n1_to_1:
      return clamped(Activation::relu_n1_to_1);
    case Op::leaky_relu:
      if (!op_->options.present || !std::isfinite(op_->options.alpha) ||
          !(std::abs(static_cast<double>(in.scale) * static_cast<double>(op_->options.alpha) /
                     static_cast<double>(out.scale)) < kGreatestMultiplier))
        return refuse("alpha is missing or out of range", "The file is damaged; convert the model again",
                      Errc::malformed);
      step_table(leaky_relu_table(in, out, op_->options.alpha));
      return {};
    case Op::hard_swish: {
      const auto table = hard_swish_table(in, out);
      if (!table)
        return refuse("its output's scale is below 1/128 of its input's",
                      "The quantisation is broken; convert the model again", Errc::malformed);
      step_table(*table);
      return {};
    }
    default:
      return refuse("this operator is not supported", "docs/model-package.md lists the operators");
  }
}

Lowering::Done Lowering::quantize() {
  if (const auto ok = expect_counts(1, 1); !ok) return ok;
  const auto& in = input(0);
  const auto& out = output();
  if (const auto ok = expect_int8(output_index(), "output"); !ok) return ok;
  if (const auto ok = expect_elements(output_index(), in.elements(), shape_text(in.shape)); !ok) return ok;
  if (in.type != TensorType::float32) {
    if (const auto ok = expect_activation(input_index(0), "input"); !ok) return ok;
    if (!(static_cast<double>(quantisation(in).scale) / static_cast<double>(quantisation(out).scale) <
          kGreatestMultiplier))
      return refuse("it scales up by 2^30 or more", "The quantisation is broken; convert the model again",
                    Errc::malformed);
    step_table(fw::nn::requantize_table(quantisation(in), quantisation(out)));
    return {};
  }
  if (in.constant)
    return refuse("input (" + tensor_text(input_index(0)) + ") is a constant",
                  "Fold the constant into the network before conversion");
  wire::model::QuantizeStep record;
  record.step.kernel = wire::model::Kernel::quantize;
  record.count = static_cast<std::uint32_t>(out.elements());
  record.scale = out.quantisation.scales[0];
  record.zero_point = static_cast<std::int32_t>(out.quantisation.zero_points[0]);
  const Place from = place_of(input_index(0));
  step_append(record, from, new_output(output_index()));
  return {};
}

Lowering::Done Lowering::dequantize() {
  if (const auto ok = expect_counts(1, 1); !ok) return ok;
  if (const auto ok = expect_activation(input_index(0), "input"); !ok) return ok;
  const auto& in = input(0);
  const auto& out = output();
  if (out.type != TensorType::float32)
    return refuse("output (" + tensor_text(output_index()) + ") is " + std::string(type_name(out.type)),
                  "Only int8 to float32 is supported");
  if (const auto ok = expect_elements(output_index(), in.elements(), shape_text(in.shape)); !ok) return ok;
  wire::model::QuantizeStep record;
  record.step.kernel = wire::model::Kernel::dequantize;
  record.count = static_cast<std::uint32_t>(in.elements());
  record.scale = in.quantisation.scales[0];
  record.zero_point = static_cast<std::int32_t>(in.quantisation.zero_points[0]);
  const Place from = place_of(input_index(0));
  step_append(record, from, new_output(output_index()));
  return {};
}

}  // namespace tml::model
