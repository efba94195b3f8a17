// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>

#include "common/model/layout.hpp"
#include "common/model/lowering.hpp"

namespace tml::model {
namespace {

constexpr std::int64_t kMaxByte = 255;

/// Accumulators are doubled before the high half of the product is taken.
constexpr std::int64_t kMaxAccumulator = std::int64_t{1} << 30U;

}  // namespace

Result<Lowering::Window> Lowering::window(const Tensor& in, const Tensor& out, std::int64_t kernel_height,
                                          std::int64_t kernel_width) const {
  const auto& o = op_->options;
  if (!o.present)
    return refuse("its options are missing", "The file is damaged; convert the model again", Errc::malformed);
  for (const std::int64_t value : {std::int64_t{o.stride_height}, std::int64_t{o.stride_width},
                                   std::int64_t{o.dilation_height}, std::int64_t{o.dilation_width}})
    if (value < 1 || value > kMaxByte)
      return refuse("stride or dilation " + std::to_string(value) + " is out of range",
                    "Strides and dilations of 1 to 255 are supported", Errc::limit);
  const auto side = [&](std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t dilation,
                        std::int64_t& outputs, std::int64_t& pad) {
    const std::int64_t reach = (kernel - 1) * dilation + 1;
    if (o.padding == Padding::same) {
      outputs = (size + stride - 1) / stride;
      pad = std::max<std::int64_t>((outputs - 1) * stride + reach - size, 0) / 2;
    } else {
      outputs = size < reach ? 0 : (size - reach) / stride + 1;
      pad = 0;
    }
  };
  Window w;
  side(in.shape[1], kernel_height, o.stride_height, o.dilation_height, w.out_height, w.pad_top);
  side(in.shape[2], kernel_width, o.stride_width, o.dilation_width, w.out_width, w.pad_left);
  if (w.out_height < 1 || w.out_width < 1)
    return refuse("a window of " + std::to_string(kernel_height) + "x" + std::to_string(kernel_width) +
                      " does not fit into shape " + shape_text(in.shape),
                  "Use padding SAME or a smaller window");
  if (w.pad_top > kMaxByte || w.pad_left > kMaxByte)
    return refuse("a border of " + std::to_string(std::max(w.pad_top, w.pad_left)) + " values is needed",
                  "At most 255 are supported: use a smaller kernel or dilation", Errc::limit);
  if (out.shape[1] != w.out_height || out.shape[2] != w.out_width)
    return refuse("its output has shape " + shape_text(out.shape) + " where 1x" + std::to_string(w.out_height) + "x" +
                      std::to_string(w.out_width) + " pixels follow from its input",
                  "The file contradicts itself; convert the model again", Errc::malformed);
  return w;
}

Result<std::vector<double>> Lowering::channel_multipliers(std::size_t count, std::int32_t dimension) const {
  const auto& filter = input(1);
  const auto& scales = filter.quantisation.scales;
  if (scales.empty()) return refuse("the weights (" + tensor_text(input_index(1)) + ") have no scale", kQuantise);
  if (scales.size() != 1 && (scales.size() != count || filter.quantisation.dimension != dimension))
    return refuse("the weights (" + tensor_text(input_index(1)) + ") have " + std::to_string(scales.size()) +
                      " scales along dimension " + std::to_string(filter.quantisation.dimension) + " for " +
                      std::to_string(count) + " output channels along dimension " + std::to_string(dimension),
                  "Weights are quantised per tensor or per output channel; convert the model again");
  const auto in = static_cast<double>(input(0).quantisation.scales[0]);
  const auto out = static_cast<double>(output().quantisation.scales[0]);
  std::vector<double> multipliers(count);
  for (std::size_t n = 0; n < count; ++n)
    multipliers[n] = in * static_cast<double>(scales[scales.size() == 1 ? 0 : n]) / out;
  return multipliers;
}

Result<std::vector<wire::model::Channel>> Lowering::channels(Weights& weights, std::size_t bias_input,
                                                             const Range& range, bool& plain) const {
  const bool biased = has_input(bias_input);
  if (biased) {
    const auto& bias = input(bias_input);
    if (bias.type != TensorType::int32 || !bias.constant)
      return refuse("the bias (" + tensor_text(input_index(bias_input)) + ") is " +
                        (bias.constant ? std::string(type_name(bias.type)) : "computed while the model runs"),
                    std::string("It must be constant and int32. ") + kQuantise);
    if (const auto ok = expect_elements(input_index(bias_input), static_cast<std::int64_t>(weights.out),
                                        std::to_string(weights.out) + " values");
        !ok)
      return pass(ok.error());
  }
  const auto zero = input(0).quantisation.zero_points[0];
  const auto out_zero = output().quantisation.zero_points[0];
  std::vector<wire::model::Channel> list(weights.out);
  plain = true;
  for (std::size_t n = 0; n < weights.out; ++n) {
    std::int64_t bias = 0;
    if (biased) {
      std::int32_t value = 0;
      std::memcpy(&value, input(bias_input).data.data() + 4 * n, 4);
      bias = value;
    }
    // The sum of input * weight alone, for the least and the greatest input at each weight.
    std::int64_t sum = 0;
    std::int64_t least = 0;
    std::int64_t greatest = 0;
    for (std::size_t k = 0; k < weights.k; ++k) {
      const std::int64_t w = weights.values[n * weights.k + k];
      sum += w;
      least += w > 0 ? -128 * w : 127 * w;
      greatest += w > 0 ? 127 * w : -128 * w;
    }
    bias -= zero * sum;
    if (std::min(bias + least, bias) < std::numeric_limits<std::int32_t>::min() ||
        std::max(bias + greatest, bias) > std::numeric_limits<std::int32_t>::max())
      return refuse("the sums of output channel " + std::to_string(n) + " can leave 32 bits (bias " +
                        std::to_string(bias) + " with the zero point folded in)",
                    "The channel's weights are almost zero beside its bias: retrain, or quantise with a better "
                    "representative dataset");
    if (!(weights.scales[n] < kGreatestMultiplier))
      return refuse("output channel " + std::to_string(n) + " is scaled up by 2^30 or more",
                    "The quantisation is broken; convert the model again", Errc::malformed);
    auto multiplier = fw::nn::quantize_multiplier(weights.scales[n]);
    // A channel whose sums all come to the same output value (dead ones with a bias of 2^30, as converters write them)
    // is computed as that value: no kernel then has to cope with its bias and shift.
    const auto value_of = [&](std::int64_t sum_of) {
      return std::clamp<std::int64_t>(
          std::int64_t{fw::nn::scale_by(static_cast<std::int32_t>(sum_of), multiplier)} + out_zero, range.minimum,
          range.maximum);
    };
    const auto quick = [&] {
      return multiplier.shift < 0 && -multiplier.shift - 1 <= wire::model::kMaxShiftByte &&
             bias + least > -kMaxAccumulator && bias + greatest < kMaxAccumulator;
    };
    // Only where the output grows with the sum: a left shift that wraps, or a zero point that does, may give equal
    // values at both ends and others between them.
    const auto steady = [&](std::int64_t sum_of) {
      constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max() - kMaxByte;
      const std::int64_t shifted = sum_of * (std::int64_t{1} << std::max(multiplier.shift, 0));
      return shifted <= kMost && shifted >= -kMost;
    };
    if (const auto value = value_of(bias + least);
        !quick() && steady(bias + least) && steady(bias + greatest) && value == value_of(bias + greatest)) {
      std::fill_n(weights.values.begin() + static_cast<std::ptrdiff_t>(n * weights.k), weights.k, std::int8_t{0});
      least = greatest = 0;
      bias = 4 * (value - out_zero);
      multiplier = {1 << 30, -1};
    }
    list[n] = {static_cast<std::int32_t>(bias), multiplier.value, static_cast<std::int8_t>(-multiplier.shift - 1)};
    plain = plain && quick();
  }
  return list;
}

wire::model::ConvStep Lowering::window_record(wire::model::Kernel kernel, const Window& w, Range range) const {
  const auto& in = input(0);
  const auto& filter = input(1);
  const auto& out = output();
  const auto& o = op_->options;
  wire::model::ConvStep record;
  record.step.kernel = kernel;
  record.in_height = static_cast<std::uint16_t>(in.shape[1]);
  record.in_width = static_cast<std::uint16_t>(in.shape[2]);
  record.in_channels = static_cast<std::uint16_t>(in.shape[3]);
  record.out_height = static_cast<std::uint16_t>(out.shape[1]);
  record.out_width = static_cast<std::uint16_t>(out.shape[2]);
  record.out_channels = static_cast<std::uint16_t>(out.shape[3]);
  record.kernel_height = static_cast<std::uint8_t>(filter.shape[1]);
  record.kernel_width = static_cast<std::uint8_t>(filter.shape[2]);
  record.stride_height = static_cast<std::uint8_t>(o.stride_height);
  record.stride_width = static_cast<std::uint8_t>(o.stride_width);
  // A dilation without a second tap means nothing, and 1 is what the kernels have fast paths for.
  record.dilation_height = static_cast<std::uint8_t>(filter.shape[1] == 1 ? 1 : o.dilation_height);
  record.dilation_width = static_cast<std::uint8_t>(filter.shape[2] == 1 ? 1 : o.dilation_width);
  record.pad_top = static_cast<std::uint8_t>(w.pad_top);
  record.pad_left = static_cast<std::uint8_t>(w.pad_left);
  record.input_zero = static_cast<std::int8_t>(in.quantisation.zero_points[0]);
  record.output_zero = static_cast<std::int8_t>(out.quantisation.zero_points[0]);
  record.minimum = range.minimum;
  record.maximum = range.maximum;
  return record;
}

Lowering::Done Lowering::expect_filter() const {
  const auto& filter = input(1);
  if (filter.shape[1] > kMaxByte || filter.shape[2] > kMaxByte)
    return refuse("the kernel is " + std::to_string(filter.shape[1]) + "x" + std::to_string(filter.shape[2]),
                  "At most 255x255 is supported", Errc::limit);
  for (const auto zero : filter.quantisation.zero_points)
    if (zero != 0) return refuse("the weights have a zero point other than 0", kQuantise);
  return {};
}

Lowering::Done Lowering::expect_window_operands() const {
  if (const auto ok = expect_counts(2, 3); !ok) return ok;
  if (const auto ok = expect_activation(input_index(0), "input"); !ok) return ok;
  if (const auto ok = expect_int8(output_index(), "output"); !ok) return ok;
  if (const auto ok = expect_image(input_index(0), "input"); !ok) return ok;
  if (const auto ok = expect_image(output_index(), "output"); !ok) return ok;
  const auto& filter = input(1);
  if (!filter.constant || filter.type != TensorType::int8)
    return refuse("the weights (" + tensor_text(input_index(1)) + ") are " +
                      (filter.constant ? std::string(type_name(filter.type)) : "computed while the model runs"),
                  kQuantise);
  return {};
}

Lowering::Done Lowering::convolution() {
  if (const auto ok = expect_window_operands(); !ok) return ok;
  const auto& in = input(0);
  const auto& filter = input(1);
  const auto& out = output();
  if (filter.shape.size() != 4)
    return refuse("the weights have shape " + shape_text(filter.shape),
                  "The file contradicts itself; convert the model again", Errc::malformed);
  if (filter.shape[3] != in.shape[3])
    return refuse("the weights have " + std::to_string(filter.shape[3]) + " input channels, the input " +
                      std::to_string(in.shape[3]) + " (grouped convolution)",
                  "Use DEPTHWISE_CONV_2D, or one convolution per group with SPLIT and CONCATENATION");
  if (filter.shape[0] != out.shape[3])
    return refuse("the weights have shape " + shape_text(filter.shape) + " for an output of " + shape_text(out.shape),
                  "The file contradicts itself; convert the model again", Errc::malformed);
  if (const auto ok = expect_filter(); !ok) return ok;
  const auto w = window(in, out, filter.shape[1], filter.shape[2]);
  if (!w) return pass(w.error());
  const auto range = fused_range(output_index());
  if (!range) return pass(range.error());

  Weights weights;
  weights.out = static_cast<std::size_t>(filter.shape[0]);
  weights.k = static_cast<std::size_t>(filter.elements()) / weights.out;
  weights.values.resize(filter.data.size());
  std::memcpy(weights.values.data(), filter.data.data(), filter.data.size());
  auto scales = channel_multipliers(weights.out, 0);
  if (!scales) return pass(scales.error());
  weights.scales = *std::move(scales);

  const auto& o = op_->options;
  const bool pointwise = filter.shape[1] == 1 && filter.shape[2] == 1 && o.stride_height == 1 && o.stride_width == 1;
  auto record = window_record(pointwise ? wire::model::Kernel::conv_1x1 : wire::model::Kernel::conv, *w, *range);
  bool plain = false;
  const auto list = channels(weights, 2, *range, plain);
  if (!list) return pass(list.error());
  if (!plain) record.step.kernel = wire::model::Kernel::conv_any;
  record.weights = constants(conv_layout(weights.values, weights.k, *list));
  macs_ = static_cast<std::uint64_t>(out.elements()) * weights.k;
  const Place from = place_of(input_index(0));
  step_append(record, from, new_output(output_index()));
  return {};
}

Lowering::Done Lowering::depthwise() {
  if (const auto ok = expect_window_operands(); !ok) return ok;
  const auto& in = input(0);
  const auto& filter = input(1);
  const auto& out = output();
  if (filter.shape.size() != 4 || filter.shape[0] != 1 || filter.shape[3] != out.shape[3] ||
      out.shape[3] % in.shape[3] != 0)
    return refuse("the weights have shape " + shape_text(filter.shape) + " between an input of " +
                      shape_text(in.shape) + " and an output of " + shape_text(out.shape),
                  "The file contradicts itself; convert the model again", Errc::malformed);
  if (const auto ok = expect_filter(); !ok) return ok;
  const auto w = window(in, out, filter.shape[1], filter.shape[2]);
  if (!w) return pass(w.error());
  const auto range = fused_range(output_index());
  if (!range) return pass(range.error());

  const auto taps = static_cast<std::size_t>(filter.shape[1]) * static_cast<std::size_t>(filter.shape[2]);
  const auto count = static_cast<std::size_t>(out.shape[3]);
  // By output channel, as convolutions have them: sums and the case of one input channel need that order.
  Weights weights;
  weights.out = count;
  weights.k = taps;
  weights.values.resize(count * taps);
  for (std::size_t tap = 0; tap < taps; ++tap)
    for (std::size_t c = 0; c < count; ++c)
      weights.values[c * taps + tap] = static_cast<std::int8_t>(filter.data[tap * count + c]);
  auto scales = channel_multipliers(count, 3);
  if (!scales) return pass(scales.error());
  weights.scales = *std::move(scales);

  const auto& o = op_->options;
  const bool single = in.shape[3] == 1;
  const bool multi = out.shape[3] != in.shape[3];
  const bool pointwise = single && taps == 1 && o.stride_height == 1 && o.stride_width == 1;
  auto record = window_record(pointwise ? wire::model::Kernel::conv_1x1
                              : single  ? wire::model::Kernel::conv
                              : multi   ? wire::model::Kernel::depthwise_multi
                                        : wire::model::Kernel::depthwise,
                              *w, *range);
  bool plain = false;
  const auto list = channels(weights, 2, *range, plain);
  if (!list) return pass(list.error());
  if (!plain) record.step.kernel = single ? wire::model::Kernel::conv_any : wire::model::Kernel::depthwise_multi;
  if (record.step.kernel == wire::model::Kernel::depthwise && record.kernel_height == 3 && record.kernel_width == 3 &&
      record.dilation_height == 1 && record.dilation_width == 1 && record.stride_height == record.stride_width &&
      record.stride_height <= 2)
    record.step.kernel = wire::model::Kernel::depthwise_3x3;
  record.weights =
      constants(single ? conv_layout(weights.values, taps, *list) : depthwise_layout(weights.values, taps, *list));
  macs_ = static_cast<std::uint64_t>(out.elements()) * taps;
  const Place from = place_of(input_index(0));
  step_append(record, from, new_output(output_index()));
  return {};
}

Lowering::Done Lowering::fully_connected() {
  if (const auto ok = expect_counts(2, 3); !ok) return ok;
  if (const auto ok = expect_activation(input_index(0), "input"); !ok) return ok;
  if (const auto ok = expect_int8(output_index(), "output"); !ok) return ok;
  const auto& in = input(0);
  const auto& filter = input(1);
  const auto& out = output();
  if (!filter.constant || filter.type != TensorType::int8)
    return refuse("the weights (" + tensor_text(input_index(1)) + ") are " +
                      (filter.constant ? std::string(type_name(filter.type)) : "computed while the model runs"),
                  kQuantise);
  if (op_->options.shuffled_weights)
    return refuse("its weights are shuffled", "Convert the model without the SHUFFLED4x16INT8 weights format");
  if (filter.shape.size() != 2 || in.elements() % filter.shape[1] != 0)
    return refuse("weights of shape " + shape_text(filter.shape) + " do not fit an input of " + shape_text(in.shape),
                  "The file contradicts itself; convert the model again", Errc::malformed);
  const auto rows = in.elements() / filter.shape[1];
  if (rows > 65535 || filter.shape[0] > 65535)
    return refuse("it has " + std::to_string(rows) + " rows and " + std::to_string(filter.shape[0]) + " outputs",
                  "Each may be 65535 at most", Errc::limit);
  if (const auto ok = expect_elements(output_index(), rows * filter.shape[0],
                                      std::to_string(rows) + "x" + std::to_string(filter.shape[0]));
      !ok)
    return ok;
  const auto range = fused_range(output_index());
  if (!range) return pass(range.error());

  Weights weights;
  weights.out = static_cast<std::size_t>(filter.shape[0]);
  weights.k = static_cast<std::size_t>(filter.shape[1]);
  weights.values.resize(filter.data.size());
  auto scales = channel_multipliers(weights.out, 0);
  if (!scales) return pass(scales.error());
  weights.scales = *std::move(scales);
  if (filter.quantisation.scales.size() == 1) {
    // Here alone the reference multiplies the two scales in single precision.
    const float product = in.quantisation.scales[0] * filter.quantisation.scales[0];
    const double multiplier = static_cast<double>(product) / static_cast<double>(out.quantisation.scales[0]);
    std::fill(weights.scales.begin(), weights.scales.end(), multiplier);
    if (has_input(2) && input(2).quantisation.per_tensor()) {
      const double difference =
          std::abs(static_cast<double>(in.quantisation.scales[0]) * static_cast<double>(filter.quantisation.scales[0]) -
                   static_cast<double>(input(2).quantisation.scales[0]));
      if (difference / static_cast<double>(out.quantisation.scales[0]) > 0.02)
        return refuse("the bias has another scale than input and weights together",
                      "The quantisation is broken; convert the model again", Errc::malformed);
    }
  }
  for (std::size_t n = 0; n < filter.data.size(); ++n) {
    const auto& zeros = filter.quantisation.zero_points;
    const std::int64_t value = static_cast<std::int8_t>(filter.data[n]) - zeros[zeros.size() == 1 ? 0 : n / weights.k];
    if (value < -128 || value > 127)
      return refuse("a weight less its zero point is outside int8",
                    "Convert the model with symmetric int8 weights (a current TFLiteConverter does)");
    weights.values[n] = static_cast<std::int8_t>(value);
  }

  wire::model::FullyConnectedStep record;
  record.step.kernel = wire::model::Kernel::fully_connected;
  record.in = static_cast<std::uint32_t>(weights.k);
  record.out = static_cast<std::uint16_t>(weights.out);
  record.batches = static_cast<std::uint16_t>(rows);
  record.output_zero = static_cast<std::int8_t>(out.quantisation.zero_points[0]);
  record.minimum = range->minimum;
  record.maximum = range->maximum;
  record.input_zero = static_cast<std::int8_t>(in.quantisation.zero_points[0]);
  bool plain = false;
  const auto list = channels(weights, 2, *range, plain);
  if (!list) return pass(list.error());
  const auto& first = list->front();
  const bool one_scale = std::all_of(list->begin(), list->end(), [&](const wire::model::Channel& row) {
    return row.multiplier == first.multiplier && row.shift == first.shift;
  });
  // The quick kernel reads whole words: of several rows each must begin at one.
  if (!plain || !one_scale || (rows > 1 && weights.k % 4 != 0))
    record.step.kernel = wire::model::Kernel::fully_connected_any;
  record.weights = constants(record.step.kernel == wire::model::Kernel::fully_connected
                                 ? fully_connected_layout(weights.values, weights.k, *list)
                                 : fully_connected_any_layout(weights.values, weights.k, *list));
  macs_ = static_cast<std::uint64_t>(rows) * weights.out * weights.k;
  const Place from = place_of(input_index(0));
  step_append(record, from, new_output(output_index()));
  return {};
}

}  // namespace tml::model
