// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <algorithm>

#include "firmware/nn/check.hpp"
#include "firmware/nn/layout.hpp"

namespace tml::fw::nn {
namespace {

using namespace wire::model;

template <typename Record>
const Record& as_record(const Step& step) {
  return reinterpret_cast<const Record&>(step);
}

std::uint64_t up4(std::uint64_t n) { return (n + 3) & ~std::uint64_t{3}; }

std::uint64_t patch(const ConvStep& s) { return std::uint64_t{s.kernel_height} * s.kernel_width * s.in_channels; }

std::uint64_t taps(const Step& step) {
  const auto& s = as_record<ConvStep>(step);
  return std::uint64_t{s.kernel_height} * s.kernel_width;
}

template <typename Shape>
std::uint64_t product(const Shape& shape) {
  std::uint64_t n = 1;
  for (const auto dimension : shape) n *= dimension;
  return n;
}

// From the lowest to the highest byte that strided indices reach; strides may be negative.
template <typename Strides>
std::uint64_t reach(const std::array<std::uint16_t, 4>& shape, const Strides& stride, std::uint64_t element) {
  std::uint64_t elements = 1;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const auto step = static_cast<std::int64_t>(stride[d]);
    elements += (std::uint64_t{shape[d]} - 1) * static_cast<std::uint64_t>(step < 0 ? -step : step);
  }
  return elements * element;
}

Extents of_conv(const Step& step) {
  const auto& s = as_record<ConvStep>(step);
  Extents e;
  e.input = std::uint64_t{s.in_height} * s.in_width * s.in_channels;
  e.output = std::uint64_t{s.out_height} * s.out_width * s.out_channels;
  return e;
}

// Four channels at a time: the rows of a window, border included, in 16 bits, one row more (3x3 keeps pairs of rows);
// the weights of the four in 16 bits and their records. A single column counts as a row.
std::uint64_t depthwise_scratch_bytes(const ConvStep& s) {
  std::uint64_t rows = std::uint64_t{s.kernel_height - 1U} * s.dilation_height + 1;
  std::uint64_t columns =
      (std::uint64_t{s.out_width} - 1) * s.stride_width + std::uint64_t{s.kernel_width - 1U} * s.dilation_width + 1;
  if (s.in_width == 1 && s.out_width == 1 && s.kernel_width == 1) {
    columns = (std::uint64_t{s.out_height} - 1) * s.stride_height + rows;
    rows = 1;
  }
  return 8 * (rows + 1) * (columns + 2) + 8 * taps(s.step) + 160;
}

}  // namespace

std::uint64_t scratch_bytes(const Step& step) {
  switch (step.kernel) {
    case Kernel::conv_1x1:
    case Kernel::conv:  // m4: three patches widened to 16 bits, and three that are put together first
    case Kernel::conv_any:
      return 9 * up4(patch(as_record<ConvStep>(step)));
    case Kernel::depthwise:
    case Kernel::depthwise_3x3:
      return depthwise_scratch_bytes(as_record<ConvStep>(step));
    case Kernel::depthwise_multi:
      return up4(patch(as_record<ConvStep>(step)));
    default:
      return 0;
  }
}

std::uint64_t weight_bytes(const Step& step) {
  switch (step.kernel) {
    case Kernel::conv_1x1:
    case Kernel::conv:
    case Kernel::conv_any: {
      const auto& s = as_record<ConvStep>(step);
      return conv_weight_bytes(s.out_channels, up4(patch(s)));
    }
    case Kernel::depthwise:
    case Kernel::depthwise_3x3:
    case Kernel::depthwise_multi:
      return depthwise_weight_bytes(as_record<ConvStep>(step).out_channels, taps(step));
    case Kernel::fully_connected:
    case Kernel::fully_connected_any: {
      const auto& f = as_record<FullyConnectedStep>(step);
      return step.kernel == Kernel::fully_connected ? fully_connected_weight_bytes(f.out, up4(f.in))
                                                    : fully_connected_any_weight_bytes(f.out, up4(f.in));
    }
    case Kernel::table:
      return 256;
    default:
      return 0;
  }
}

Extents extents(const Step& step) {
  Extents e;
  switch (step.kernel) {
    case Kernel::conv_1x1:
    case Kernel::conv:
    case Kernel::conv_any:
    case Kernel::depthwise:
    case Kernel::depthwise_3x3:
    case Kernel::depthwise_multi:
      e = of_conv(step);
      break;
    case Kernel::fully_connected:
    case Kernel::fully_connected_any: {
      const auto& s = as_record<FullyConnectedStep>(step);
      e.input = std::uint64_t{s.in} * s.batches;
      // The quick kernel reads whole words; what it reads too much is multiplied by 0.
      if (step.kernel == Kernel::fully_connected) e.input = up4(e.input);
      e.output = std::uint64_t{s.out} * s.batches;
      break;
    }
    case Kernel::average_pool:
    case Kernel::max_pool: {
      const auto& s = as_record<PoolStep>(step);
      e.input = std::uint64_t{s.in_height} * s.in_width * s.channels;
      e.output = std::uint64_t{s.out_height} * s.out_width * s.channels;
      break;
    }
    case Kernel::add:
    case Kernel::mul: {
      const auto& s = as_record<BinaryStep>(step);
      e.output = product(s.shape);
      const bool same = (step.flags & kSameShape) != 0;
      e.input = same ? e.output : reach(s.shape, s.stride1, 1);
      e.input2 = same ? e.output : reach(s.shape, s.stride2, 1);
      break;
    }
    case Kernel::mean: {
      const auto& s = as_record<MeanStep>(step);
      e.input = product(s.shape);
      e.output = 1;
      for (std::size_t d = 0; d < s.shape.size(); ++d)
        if ((s.axes >> d & 1) == 0) e.output *= s.shape[d];
      break;
    }
    case Kernel::softmax: {
      const auto& s = as_record<SoftmaxStep>(step);
      e.input = e.output = std::uint64_t{s.rows} * s.depth;
      break;
    }
    case Kernel::table:
      e.input = e.output = as_record<TableStep>(step).count;
      break;
    case Kernel::copy: {
      const auto& s = as_record<CopyStep>(step);
      e.input = reach(s.shape, s.in_stride, s.element);
      e.output = reach(s.shape, s.out_stride, s.element);
      break;
    }
    case Kernel::fill:
      e.output = as_record<FillStep>(step).count;
      break;
    case Kernel::quantize:
      e.output = as_record<QuantizeStep>(step).count;
      e.input = 4 * e.output;
      break;
    case Kernel::dequantize:
      e.input = as_record<QuantizeStep>(step).count;
      e.output = 4 * e.input;
      break;
    case Kernel::none:
      break;
  }
  e.scratch = scratch_bytes(step);
  e.weights = weight_bytes(step);
  return e;
}

std::uint64_t macs(const Step& step) {
  switch (step.kernel) {
    case Kernel::conv_1x1:
    case Kernel::conv:
    case Kernel::conv_any:
      return of_conv(step).output * patch(as_record<ConvStep>(step));
    case Kernel::depthwise:
    case Kernel::depthwise_3x3:
    case Kernel::depthwise_multi:
      return of_conv(step).output * taps(step);
    case Kernel::fully_connected:
    case Kernel::fully_connected_any: {
      const auto& f = as_record<FullyConnectedStep>(step);
      return std::uint64_t{f.in} * f.out * f.batches;
    }
    default:
      return 0;
  }
}

std::uint64_t work(const Step& step) {
  switch (step.kernel) {
    case Kernel::average_pool:
    case Kernel::max_pool: {
      const auto& s = as_record<PoolStep>(step);
      return std::uint64_t{s.out_height} * s.out_width * s.channels * std::min(s.window_height, s.in_height) *
             std::min(s.window_width, s.in_width);
    }
    case Kernel::copy:
      return product(as_record<CopyStep>(step).shape);
    case Kernel::softmax:
      return kSoftmaxWork * extents(step).output;
    default: {
      const Extents e = extents(step);
      return std::max(macs(step), std::max(e.input, e.output));
    }
  }
}

}  // namespace tml::fw::nn
