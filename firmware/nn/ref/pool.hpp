// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What average and maximum pooling have in common: windows, cut off at the border of the input. Internal.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn::ref {

/// Calls `reduce(const std::int8_t* first, std::size_t rows, std::size_t columns, std::size_t row_stride,
/// std::size_t pixel_stride) -> std::int8_t` for every output value in order.
template <typename Reduce>
void for_each_window(const wire::model::PoolStep& s, std::uint8_t* arena, const Reduce& reduce) {
  const auto* input = reinterpret_cast<const std::int8_t*>(arena + s.step.input);
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  const std::size_t row_stride = std::size_t{s.in_width} * s.channels;
  for (int out_y = 0; out_y < s.out_height; ++out_y) {
    const int top = out_y * s.stride_height - s.pad_top;
    const int y0 = std::max(0, top);
    const int y1 = std::min<int>(s.in_height, top + s.window_height);
    for (int out_x = 0; out_x < s.out_width; ++out_x) {
      const int left = out_x * s.stride_width - s.pad_left;
      const int x0 = std::max(0, left);
      const int x1 = std::min<int>(s.in_width, left + s.window_width);
      const std::int8_t* first =
          input + static_cast<std::size_t>(y0) * row_stride + static_cast<std::size_t>(x0) * s.channels;
      for (std::size_t c = 0; c < s.channels; ++c)
        *output++ = reduce(first + c, static_cast<std::size_t>(y1 - y0), static_cast<std::size_t>(x1 - x0), row_stride,
                           std::size_t{s.channels});
    }
  }
}

}  // namespace tml::fw::nn::ref
