// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// DEPTHWISE_CONV_2D with a channel multiplier: output channel c * multiplier + m reads input channel c.
#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/kernels.hpp"
#include "firmware/nn/layout.hpp"

namespace tml::fw::nn::ref {

using wire::model::Channel;
using wire::model::DepthwiseStep;

void depthwise_multi(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<DepthwiseStep>(record);
  const std::uint8_t* weights = constants + s.weights;
  const auto* input = reinterpret_cast<const std::int8_t*>(arena + s.step.input);
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  auto* window = reinterpret_cast<std::int8_t*>(arena + s.step.scratch);
  const std::size_t multiplier = s.out_channels / s.in_channels;
  const std::size_t taps = std::size_t{s.kernel_height} * s.kernel_width;

  for (int out_y = 0; out_y < s.out_height; ++out_y) {
    for (int out_x = 0; out_x < s.out_width; ++out_x) {
      // The window is copied first: the output pixel may lie over it (overlap.hpp).
      std::size_t size = 0;
      for (int ky = 0; ky < s.kernel_height; ++ky) {
        for (int kx = 0; kx < s.kernel_width; ++kx) {
          const int y = out_y * s.stride_height - s.pad_top + ky * s.dilation_height;
          const int x = out_x * s.stride_width - s.pad_left + kx * s.dilation_width;
          const bool inside = y >= 0 && y < s.in_height && x >= 0 && x < s.in_width;
          const std::size_t pixel =
              inside ? (static_cast<std::size_t>(y) * s.in_width + static_cast<std::size_t>(x)) * s.in_channels : 0;
          for (std::size_t c = 0; c < s.in_channels; ++c) window[size++] = inside ? input[pixel + c] : s.input_zero;
        }
      }
      for (std::size_t o = 0; o < s.out_channels; ++o) {
        const Channel channel = read_channel(weights, depthwise_channel(o, taps));
        std::int64_t acc = channel.bias;
        for (std::size_t tap = 0; tap < taps; ++tap)
          acc += window[tap * s.in_channels + o / multiplier] *
                 static_cast<std::int8_t>(weights[depthwise_weight(tap, o, taps)]);
        *output++ = requantise(static_cast<std::int32_t>(acc), channel.multiplier, channel.shift, s.output_zero,
                               s.minimum, s.maximum);
      }
    }
  }
}

}  // namespace tml::fw::nn::ref
