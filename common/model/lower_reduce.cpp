// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include "common/model/lowering.hpp"
#include "firmware/nn/check.hpp"

namespace tml::model {
namespace {

constexpr std::int64_t kMaxShort = std::numeric_limits<std::uint16_t>::max();

}  // namespace

Lowering::Done Lowering::pool(bool average) {
  if (const auto ok = expect_counts(1, 1); !ok) return ok;
  if (const auto ok = expect_activation(input_index(0), "input"); !ok) return ok;
  if (const auto ok = expect_int8(output_index(), "output"); !ok) return ok;
  if (const auto ok = expect_image(input_index(0), "input"); !ok) return ok;
  if (const auto ok = expect_image(output_index(), "output"); !ok) return ok;
  if (const auto ok = expect_same_quantisation(input_index(0), output_index()); !ok) return ok;
  const auto& in = input(0);
  const auto& out = output();
  const auto& o = op_->options;
  if (o.filter_height < 1 || o.filter_height > kMaxShort || o.filter_width < 1 || o.filter_width > kMaxShort)
    return refuse("its window is " + std::to_string(o.filter_height) + "x" + std::to_string(o.filter_width),
                  "The file contradicts itself; convert the model again", Errc::malformed);
  if (out.shape[3] != in.shape[3])
    return refuse("it pools " + shape_text(in.shape) + " to " + shape_text(out.shape),
                  "The file contradicts itself; convert the model again", Errc::malformed);
  const auto w = window(in, out, o.filter_height, o.filter_width);
  if (!w) return pass(w.error());
  const auto range = fused_range(output_index());
  if (!range) return pass(range.error());
  // The reference's accumulator is an int32.
  if (average && static_cast<std::int64_t>(o.filter_height) * o.filter_width > (std::int64_t{1} << 23))
    return refuse("its window is " + std::to_string(o.filter_height) + "x" + std::to_string(o.filter_width),
                  "Use a smaller window", Errc::limit);

  wire::model::PoolStep record;
  record.step.kernel = average ? wire::model::Kernel::average_pool : wire::model::Kernel::max_pool;
  record.in_height = static_cast<std::uint16_t>(in.shape[1]);
  record.in_width = static_cast<std::uint16_t>(in.shape[2]);
  record.channels = static_cast<std::uint16_t>(in.shape[3]);
  record.out_height = static_cast<std::uint16_t>(out.shape[1]);
  record.out_width = static_cast<std::uint16_t>(out.shape[2]);
  record.window_height = static_cast<std::uint16_t>(o.filter_height);
  record.window_width = static_cast<std::uint16_t>(o.filter_width);
  record.stride_height = static_cast<std::uint8_t>(o.stride_height);
  record.stride_width = static_cast<std::uint8_t>(o.stride_width);
  record.pad_top = static_cast<std::uint8_t>(w->pad_top);
  record.pad_left = static_cast<std::uint8_t>(w->pad_left);
  record.minimum = range->minimum;
  record.maximum = range->maximum;
  const Place from = place_of(input_index(0));
  step_append(record, from, new_output(output_index()));
  return {};
}

Lowering::Done Lowering::mean() {
  if (const auto ok = expect_counts(2, 2); !ok) return ok;
  if (const auto ok = expect_activation(input_index(0), "input"); !ok) return ok;
  if (const auto ok = expect_int8(output_index(), "output"); !ok) return ok;
  const auto& in = input(0);
  const auto& out = output();
  if (in.shape.size() > 4)
    return refuse("its input has shape " + shape_text(in.shape),
                  "At most four dimensions are supported: reshape before it");
  const auto axes = numbers(1, "the list of axes");
  if (!axes) return pass(axes.error());

  wire::model::MeanStep record;
  record.step.kernel = wire::model::Kernel::mean;
  record.shape.fill(1);
  const std::size_t lead = 4 - in.shape.size();
  for (std::size_t n = 0; n < in.shape.size(); ++n) {
    if (in.shape[n] > kMaxShort)
      return refuse("its input has shape " + shape_text(in.shape), "Each dimension may be 65535 at most", Errc::limit);
    record.shape[lead + n] = static_cast<std::uint16_t>(in.shape[n]);
  }
  const auto rank = static_cast<std::int64_t>(in.shape.size());
  for (auto axis : *axes) {
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank)
      return refuse("axis " + std::to_string(axis) + " does not exist in shape " + shape_text(in.shape),
                    "The file contradicts itself; convert the model again", Errc::malformed);
    record.axes = static_cast<std::uint8_t>(record.axes | 1U << (lead + static_cast<std::size_t>(axis)));
  }
  std::int64_t count = 1;
  for (std::size_t n = 0; n < 4; ++n)
    if ((record.axes >> n & 1U) != 0) count *= record.shape[n];
  // The sum of int8 values less their zero point must fit the reference's int32.
  if (count > (std::int64_t{1} << 22))
    return refuse("it takes the mean of " + std::to_string(count) + " values", "Use a smaller network", Errc::limit);
  if (const auto ok =
          expect_elements(output_index(), in.elements() / count, std::to_string(in.elements() / count) + " values");
      !ok)
    return ok;
  record.input_zero = static_cast<std::int8_t>(in.quantisation.zero_points[0]);
  record.output_zero = static_cast<std::int8_t>(out.quantisation.zero_points[0]);
  record.count = static_cast<std::uint32_t>(count);
  if (in.quantisation.scales[0] == out.quantisation.scales[0] && record.input_zero == record.output_zero) {
    record.step.flags = wire::model::kPlainMean;
  } else {
    const auto multiplier = mean_multiplier(in.quantisation.scales[0], out.quantisation.scales[0], count);
    if (multiplier.shift > 30)
      return refuse("it scales up by more than 2^30", "The quantisation is broken; convert the model again",
                    Errc::malformed);
    record.multiplier = multiplier.value;
    record.shift = static_cast<std::int8_t>(multiplier.shift);
  }
  const Place from = place_of(input_index(0));
  step_append(record, from, new_output(output_index()));
  return {};
}

Lowering::Done Lowering::softmax() {
  if (const auto ok = expect_counts(1, 1); !ok) return ok;
  if (const auto ok = expect_activation(input_index(0), "input"); !ok) return ok;
  if (const auto ok = expect_int8(output_index(), "output"); !ok) return ok;
  const auto& in = input(0);
  const auto& out = output();
  if (const auto ok = expect_elements(output_index(), in.elements(), shape_text(in.shape)); !ok) return ok;
  if (out.quantisation.scales[0] != 1.0F / 256.0F || out.quantisation.zero_points[0] != -128)
    return refuse("its output is not quantised with scale 1/256 and zero point -128",
                  "Convert the model with a current TFLiteConverter, which always chooses these");
  if (!op_->options.present || !(op_->options.beta > 0) || !(op_->options.beta <= 1e6F))
    return refuse("beta is " + std::to_string(op_->options.beta), "It must be above 0 (1 is usual)", Errc::malformed);
  // The reference's PreprocessSoftmaxScaling() demands that much.
  if (!(static_cast<double>(op_->options.beta) * static_cast<double>(in.quantisation.scales[0]) * (1 << 26) > 1.0))
    return refuse("its input's scale " + std::to_string(in.quantisation.scales[0]) + " is too small",
                  "The quantisation is broken; convert the model again", Errc::malformed);
  const auto depth = in.shape.empty() ? 1 : in.shape.back();
  if (static_cast<std::uint32_t>(depth) > fw::nn::kMaxSoftmaxDepth)
    return refuse("it has " + std::to_string(depth) + " values per row",
                  "At most " + std::to_string(fw::nn::kMaxSoftmaxDepth) +
                      " are supported, the sum of the reference kernel holds no more: use fewer classes, or leave the "
                      "softmax out of the network",
                  Errc::limit);

  wire::model::SoftmaxStep record;
  record.step.kernel = wire::model::Kernel::softmax;
  record.depth = static_cast<std::uint32_t>(depth);
  record.rows = static_cast<std::uint32_t>(in.elements() / depth);
  const auto scale = fw::nn::softmax_scale(in.quantisation.scales[0], op_->options.beta);
  record.multiplier = scale.multiplier;
  record.shift = scale.shift;
  record.limit = scale.limit;
  const Place from = place_of(input_index(0));
  step_append(record, from, new_output(output_index()));
  return {};
}

}  // namespace tml::model
