// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// overlap_distance() has a closed form; here the order of reading and writing is played through pixel by pixel.
#include "firmware/nn/overlap.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>

#include "tests/support/nn/layer.hpp"

namespace tml::fw::nn {
namespace {

using namespace wire::model;

struct Shape {
  std::int64_t in_height, in_width, in_channels, out_height, out_width, out_channels;
  std::int64_t span_height, span_width, stride_height, stride_width, pad_top, pad_left;
};

Shape shape_of(const test::nn::Layer& layer) {
  if (layer.step().kernel == Kernel::average_pool || layer.step().kernel == Kernel::max_pool) {
    const auto& s = layer.as<PoolStep>();
    return {s.in_height,     s.in_width,     s.channels,      s.out_height,   s.out_width, s.channels,
            s.window_height, s.window_width, s.stride_height, s.stride_width, s.pad_top,   s.pad_left};
  }
  const auto& s = layer.as<ConvStep>();
  return {s.in_height,
          s.in_width,
          s.in_channels,
          s.out_height,
          s.out_width,
          s.out_channels,
          (s.kernel_height - 1) * s.dilation_height + 1,
          (s.kernel_width - 1) * s.dilation_width + 1,
          s.stride_height,
          s.stride_width,
          s.pad_top,
          s.pad_left};
}

// The first pixel of the window's bounding box that is inside the input.
std::int64_t first_read(const Shape& s, std::int64_t y, std::int64_t x) {
  const std::int64_t top = std::max<std::int64_t>(0, y * s.stride_height - s.pad_top);
  const std::int64_t left = std::max<std::int64_t>(0, x * s.stride_width - s.pad_left);
  return top * s.in_width + left;
}

TEST(Overlap, RasterKernelsKeepUnreadWindows) {
  for (const Kernel kernel : {Kernel::conv_1x1, Kernel::conv, Kernel::depthwise_multi, Kernel::max_pool}) {
    EXPECT_TRUE(rc::check([kernel](std::uint64_t seed) {
      test::nn::Entropy entropy(seed);
      const auto layer = test::nn::random_layer(kernel, entropy);
      const Shape s = shape_of(layer);
      std::int64_t least = 0;
      for (std::int64_t y = 0; y < s.out_height; ++y)
        for (std::int64_t x = 0; x < s.out_width; ++x)
          least = std::max(least, (y * s.out_width + x) * s.out_channels - first_read(s, y, x) * s.in_channels);
      const auto distance = overlap_distance(layer.step());
      RC_ASSERT(distance.has_value());
      RC_ASSERT(*distance >= least);
      // And no memory given away: the closed form adds the worst row to the worst column, which can be one too many
      // only where those do not meet.
      RC_ASSERT(*distance <= least + s.out_width * s.out_channels);
    }));
  }
}

TEST(Overlap, DepthwiseKeepsRowsThatAreNotCopied) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    test::nn::Entropy entropy(seed);
    const auto layer = test::nn::random_layer(Kernel::depthwise, entropy);
    const Shape s = shape_of(layer);
    std::int64_t least = 0;
    for (std::int64_t y = 0; y < s.out_height; ++y) {
      const std::int64_t copied = y * s.stride_height - s.pad_top + s.span_height;
      if (copied < s.in_height) least = std::max(least, (y + 1) * s.out_width - copied * s.in_width);
    }
    RC_ASSERT(overlap_distance(layer.step()) == static_cast<std::uint32_t>(least * s.in_channels));
    RC_ASSERT(overlap_unit(layer.step()) == static_cast<std::uint32_t>(s.in_channels));
  }));
}

TEST(Overlap, KnownShapes) {
  ConvStep s;
  s.step.kernel = Kernel::conv_1x1;
  s.in_height = s.out_height = 25;
  s.in_width = s.out_width = 5;
  s.in_channels = s.out_channels = 64;
  EXPECT_EQ(overlap_distance(s.step), 0U);  // in place
  s.out_channels = 32;
  EXPECT_EQ(overlap_distance(s.step), 0U);
  s.out_channels = 128;
  EXPECT_EQ(overlap_distance(s.step), 124U * 64);
  // 3x3 with one pixel of border: one row and one pixel.
  s.step.kernel = Kernel::conv;
  s.out_channels = 64;
  s.kernel_height = s.kernel_width = 3;
  s.pad_top = s.pad_left = 1;
  EXPECT_EQ(overlap_distance(s.step), 6U * 64);
  s.step.kernel = Kernel::depthwise;
  EXPECT_EQ(overlap_distance(s.step), 0U);  // rows are copied first
  s.step.kernel = Kernel::fully_connected;
  FullyConnectedStep f;
  f.step.kernel = Kernel::fully_connected;
  EXPECT_EQ(overlap_distance(f.step), std::nullopt);
  QuantizeStep q;
  q.step.kernel = Kernel::dequantize;
  q.count = 10;
  EXPECT_EQ(overlap_distance(q.step), 27U);
}

}  // namespace
}  // namespace tml::fw::nn
