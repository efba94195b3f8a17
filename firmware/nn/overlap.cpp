// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/overlap.hpp"

#include <algorithm>

namespace tml::fw::nn {
namespace {

using wire::model::BinaryStep;
using wire::model::ConvStep;
using wire::model::Kernel;
using wire::model::PoolStep;
using wire::model::QuantizeStep;
using wire::model::Step;

template <typename Record>
const Record& as_record(const Step& step) {
  return reinterpret_cast<const Record&>(step);
}

// max over n in [0, count) of n * gain - max(0, n * stride - pad) * loss. It rises up to n = pad / stride and is
// straight from there on, so that three places tell the maximum.
std::int64_t lead(int count, std::int64_t gain, int stride, int pad, std::int64_t loss) {
  std::int64_t most = 0;
  for (const int at : {pad / stride, pad / stride + 1, count - 1}) {
    const std::int64_t n = std::min(at, count - 1);
    most = std::max(most, n * gain - std::max<std::int64_t>(0, n * stride - pad) * loss);
  }
  return most;
}

// By how many bytes the write position of the next output pixel runs ahead of the first input byte that it, or a later
// one, still needs.
template <typename Record>
std::int64_t raster(const Record& s, std::int64_t in_channels, std::int64_t out_channels) {
  return lead(s.out_height, s.out_width * out_channels, s.stride_height, s.pad_top, s.in_width * in_channels) +
         lead(s.out_width, out_channels, s.stride_width, s.pad_left, in_channels);
}

// Before output row y is written, the input rows below `copied` are in scratch: output up to the end of row y must not
// reach row `copied`, as long as there is one. Straight in y: the first and the last such row tell the maximum.
std::int64_t rows(const ConvStep& s) {
  const int span = (s.kernel_height - 1) * s.dilation_height + 1;
  const std::int64_t in_row = std::int64_t{s.in_width} * s.in_channels;
  const std::int64_t out_row = std::int64_t{s.out_width} * s.out_channels;
  std::int64_t most = 0;
  const int left = s.in_height - 1 - span + s.pad_top;  // input rows that may be uncopied after row y = 0
  if (left < 0) return 0;
  const int last = std::min(s.out_height - 1, left / s.stride_height);
  for (const int y : {0, last}) {
    const int copied = y * s.stride_height - s.pad_top + span;
    most = std::max(most, (y + 1) * out_row - copied * in_row);
  }
  return most;
}

}  // namespace

std::optional<std::uint32_t> overlap_distance(const Step& step, Operand operand) {
  std::int64_t distance = 0;
  switch (step.kernel) {
    case Kernel::conv_1x1:
    case Kernel::conv:
    case Kernel::conv_any:
    case Kernel::depthwise_multi: {
      const auto& s = as_record<ConvStep>(step);
      distance = raster(s, s.in_channels, s.out_channels);
      break;
    }
    case Kernel::depthwise:
    case Kernel::depthwise_3x3:
      distance = rows(as_record<ConvStep>(step));
      break;
    case Kernel::average_pool:
    case Kernel::max_pool: {
      const auto& s = as_record<PoolStep>(step);
      distance = raster(s, s.channels, s.channels);
      break;
    }
    case Kernel::add:
    case Kernel::mul: {
      const auto& s = as_record<BinaryStep>(step);
      if ((step.flags & wire::model::kSameShape) != 0) break;
      const auto& stride = operand == Operand::input ? s.stride1 : s.stride2;
      std::uint32_t contiguous = 1;
      for (std::size_t d = s.shape.size(); d-- > 0;) {
        if (s.shape[d] != 1 && stride[d] != contiguous) return std::nullopt;
        contiguous *= s.shape[d];
      }
      break;
    }
    case Kernel::softmax:
    case Kernel::table:
    case Kernel::quantize:
      break;
    case Kernel::dequantize:
      distance = 3 * (std::int64_t{as_record<QuantizeStep>(step).count} - 1);
      break;
    default:
      return std::nullopt;
  }
  return static_cast<std::uint32_t>(distance);
}

std::uint32_t overlap_unit(const Step& step) {
  const bool grouped = step.kernel == Kernel::depthwise || step.kernel == Kernel::depthwise_3x3;
  return grouped ? as_record<ConvStep>(step).in_channels : 1;
}

}  // namespace tml::fw::nn
