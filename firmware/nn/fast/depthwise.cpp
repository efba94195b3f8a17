// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Depthwise convolution on a host: the rows of four channels are kept with their border in scratch, so that the inner
// loop has no conditions and four lanes.
#include <algorithm>
#include <cstring>

#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/kernels.hpp"
#include "firmware/nn/layout.hpp"

namespace tml::fw::nn::fast {
namespace {

using wire::model::DepthwiseStep;

constexpr std::size_t kGroup = 4;

struct Geometry {
  explicit Geometry(const DepthwiseStep& s)
      : span((s.kernel_height - 1) * s.dilation_height + 1),
        columns((s.out_width - 1) * s.stride_width + (s.kernel_width - 1) * s.dilation_width + 1) {}
  [[nodiscard]] std::size_t row(int n) const {
    return static_cast<std::size_t>(n % span) * static_cast<std::size_t>(columns) * kGroup;
  }
  int span;     // rows of the ring
  int columns;  // of a row with its border
};

// One row of `count` channels, four bytes a pixel; `row` counts from the upper border.
void read_row(const DepthwiseStep& s, const Geometry& g, const std::uint8_t* input, std::size_t count, int row,
              std::uint8_t* to) {
  const int y = row - s.pad_top;
  const int inside = std::clamp(s.pad_left + s.in_width, 0, g.columns);
  const bool outside = y < 0 || y >= s.in_height;
  std::memset(to, s.input_zero, static_cast<std::size_t>(g.columns) * kGroup);
  if (outside) return;
  const std::uint8_t* from = input + static_cast<std::size_t>(y) * s.in_width * s.in_channels;
  for (int column = s.pad_left; column < inside; ++column, from += s.in_channels)
    for (std::size_t c = 0; c < count; ++c) to[static_cast<std::size_t>(column) * kGroup + c] = from[c];
}

void group(const DepthwiseStep& s, const Geometry& g, const std::uint8_t* weights, std::size_t first,
           std::uint8_t* arena) {
  const std::size_t taps = std::size_t{s.kernel_height} * s.kernel_width;
  const std::size_t count = std::min(kGroup, s.in_channels - first);
  std::uint8_t* ring = arena + s.step.scratch;
  wire::model::Channel channel[kGroup];
  for (std::size_t c = 0; c < kGroup; ++c) channel[c] = read_channel(weights, depthwise_channel(c, taps));
  const auto* weight = reinterpret_cast<const std::int8_t*>(weights + depthwise_weight(0, 0, taps));
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output) + first;

  int read = 0;
  for (int out_y = 0; out_y < s.out_height; ++out_y) {
    const int top = out_y * s.stride_height;
    for (read = std::max(read, top); read < top + g.span; ++read)
      read_row(s, g, arena + s.step.input + first, count, read, ring + g.row(read));
    for (int out_x = 0; out_x < s.out_width; ++out_x, output += s.out_channels) {
      std::uint32_t acc[kGroup] = {};
      for (int ky = 0; ky < s.kernel_height; ++ky) {
        const auto* x = reinterpret_cast<const std::int8_t*>(ring + g.row(top + ky * s.dilation_height)) +
                        static_cast<std::size_t>(out_x * s.stride_width) * kGroup;
        const std::int8_t* w = weight + static_cast<std::size_t>(ky * s.kernel_width) * kGroup;
        for (int kx = 0; kx < s.kernel_width; ++kx, x += s.dilation_width * kGroup, w += kGroup)
          for (std::size_t c = 0; c < kGroup; ++c) acc[c] += static_cast<std::uint32_t>(x[c] * w[c]);
      }
      for (std::size_t c = 0; c < count; ++c)
        output[c] = requantise(wrap_add(channel[c].bias, static_cast<std::int32_t>(acc[c])), channel[c].multiplier,
                               channel[c].shift, s.output_zero, s.minimum, s.maximum);
    }
  }
}

}  // namespace

void depthwise(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<DepthwiseStep>(record);
  const Geometry g(s);
  const std::size_t block = depthwise_block(std::size_t{s.kernel_height} * s.kernel_width);
  const std::uint8_t* weights = constants + s.weights;
  for (std::size_t first = 0; first < s.in_channels; first += kGroup, weights += block)
    group(s, g, weights, first, arena);
}

}  // namespace tml::fw::nn::fast
