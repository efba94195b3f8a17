// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The windows of average_pool and max_pool, cut off at the border of the input.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "common/wire/model_steps.hpp"

namespace tml::fw::nn::m4 {

struct Window {
  const std::int8_t* first;  ///< Of channel 0.
  int rows;
  int columns;
  int row_step;  ///< Bytes from the end of a window row to the beginning of the next.
  int depth;     ///< Channels.
};

/// Calls `reduce(window, output)` for every output pixel in raster order; `output` has room for all channels.
template <typename Reduce>
void for_each_window(const wire::model::PoolStep& s, std::uint8_t* arena, const Reduce& reduce) {
  const auto* input = reinterpret_cast<const std::int8_t*>(arena + s.step.input);
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  const int depth = s.channels;
  const int pitch = s.in_width * depth;
  for (int out_y = 0; out_y < s.out_height; ++out_y) {
    const int top = out_y * s.stride_height - s.pad_top;
    const int y0 = std::max(0, top);
    const int rows = std::min<int>(s.in_height, top + s.window_height) - y0;
    for (int out_x = 0; out_x < s.out_width; ++out_x, output += depth) {
      const int left = out_x * s.stride_width - s.pad_left;
      const int x0 = std::max(0, left);
      const int columns = std::min<int>(s.in_width, left + s.window_width) - x0;
      reduce(Window{input + y0 * pitch + x0 * depth, rows, columns, pitch - columns * depth, depth}, output);
    }
  }
}

}  // namespace tml::fw::nn::m4
