// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// DEPTHWISE_CONV_2D with channel multiplier 1: each channel has a window of its own. Four channels at a time, so that
// the rows that must be kept (the output may be written over them) are short.
#include <algorithm>

#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/kernels.hpp"
#include "firmware/nn/layout.hpp"

namespace tml::fw::nn::ref {
namespace {

using wire::model::DepthwiseStep;

constexpr std::size_t kGroup = 4;

// The input rows of one output row, of up to four channels and with the border, as a ring in scratch.
class Rows {
 public:
  Rows(const DepthwiseStep& s, std::uint8_t* arena, std::size_t first_channel)
      : s_(s),
        input_(reinterpret_cast<const std::int8_t*>(arena + s.step.input) + first_channel),
        ring_(reinterpret_cast<std::int8_t*>(arena + s.step.scratch)),
        channels_(std::min(kGroup, s.in_channels - first_channel)),
        span_((s.kernel_height - 1) * s.dilation_height + 1),
        columns_((s.out_width - 1) * s.stride_width + (s.kernel_width - 1) * s.dilation_width + 1) {}

  // From here on the ring holds the rows of output row `out_y`, and every input row before the last of them was read.
  void advance(int out_y) {
    const int top = out_y * s_.stride_height - s_.pad_top;
    for (next_ = std::max(next_, top); next_ < top + span_; ++next_) {
      for (int column = 0; column < columns_; ++column) {
        const int x = column - s_.pad_left;
        const bool inside = next_ >= 0 && next_ < s_.in_height && x >= 0 && x < s_.in_width;
        const std::size_t pixel =
            inside ? static_cast<std::size_t>(next_) * s_.in_width + static_cast<std::size_t>(x) : 0;
        for (std::size_t c = 0; c < channels_; ++c)
          at(next_, column, c) = inside ? input_[pixel * s_.in_channels + c] : s_.input_zero;
      }
    }
  }
  // `row` of the input, -pad_top and up; `column` counts from the left border.
  [[nodiscard]] std::int8_t& at(int row, int column, std::size_t c) const {
    const auto slot = static_cast<std::size_t>((row + s_.pad_top) % span_);
    return ring_[(slot * static_cast<std::size_t>(columns_) + static_cast<std::size_t>(column)) * kGroup + c];
  }
  [[nodiscard]] std::size_t channels() const { return channels_; }

 private:
  const DepthwiseStep& s_;
  const std::int8_t* input_;
  std::int8_t* ring_;
  std::size_t channels_;
  int span_;
  int columns_;
  int next_ = -256;
};

}  // namespace

void depthwise(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<DepthwiseStep>(record);
  const std::uint8_t* weights = constants + s.weights;
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  const std::size_t taps = std::size_t{s.kernel_height} * s.kernel_width;

  for (std::size_t first = 0; first < s.in_channels; first += kGroup) {
    Rows rows(s, arena, first);
    for (int out_y = 0; out_y < s.out_height; ++out_y) {
      rows.advance(out_y);
      for (int out_x = 0; out_x < s.out_width; ++out_x) {
        for (std::size_t c = first; c < first + rows.channels(); ++c) {
          const wire::model::Channel channel = read_channel(weights, depthwise_channel(c, taps));
          std::int64_t acc = channel.bias;
          for (int ky = 0; ky < s.kernel_height; ++ky) {
            for (int kx = 0; kx < s.kernel_width; ++kx) {
              const int y = out_y * s.stride_height - s.pad_top + ky * s.dilation_height;
              const int column = out_x * s.stride_width + kx * s.dilation_width;
              const std::size_t tap = static_cast<std::size_t>(ky) * s.kernel_width + static_cast<std::size_t>(kx);
              acc += rows.at(y, column, c - first) * static_cast<std::int8_t>(weights[depthwise_weight(tap, c, taps)]);
            }
          }
          const auto pixel = static_cast<std::size_t>(out_y) * s.out_width + static_cast<std::size_t>(out_x);
          output[pixel * s.out_channels + c] = requantise(static_cast<std::int32_t>(acc), channel.multiplier,
                                                          channel.shift, s.output_zero, s.minimum, s.maximum);
        }
      }
    }
  }
}

// The same sum; the kernel for the Cortex-M4F has a shorter way for it.
void depthwise_3x3(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  depthwise(record, constants, arena);
}

}  // namespace tml::fw::nn::ref
