// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// AVERAGE_POOL_2D: four channels at a time, summed in halves of words and carried over before those overflow.
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "firmware/nn/kernels.hpp"
#include "firmware/nn/m4/dsp.hpp"

namespace tml::fw::nn::m4 {
namespace {

using wire::model::PoolStep;

struct Window {
  const std::int8_t* first;  // of channel 0
  int rows;
  int columns;
  int row_step;  // from the end of a window row to the beginning of the next
  int depth;
};

std::int8_t mean(std::int32_t sum, std::int32_t count, const PoolStep& s) {
  const std::int32_t half = sum > 0 ? count / 2 : -(count / 2);
  return static_cast<std::int8_t>(std::clamp<std::int32_t>((sum + half) / count, s.minimum, s.maximum));
}

std::int32_t sum_of_one(const Window& w, const std::int8_t* at) {
  std::int32_t sum = 0;
  for (int y = 0; y < w.rows; ++y, at += w.row_step)
    for (int x = 0; x < w.columns; ++x, at += w.depth) sum += *at;
  return sum;
}

void sum_of_four(const Window& w, const std::int8_t* at, std::int32_t (&sum)[4]) {
  constexpr int kMost = 255;  // 255 x -128 still fits 16 bits
  std::fill(sum, sum + 4, 0);
  std::uint32_t even = 0;
  std::uint32_t odd = 0;
  int room = kMost;
  const auto carry = [&] {
    sum[0] += static_cast<std::int16_t>(even);
    sum[1] += static_cast<std::int16_t>(odd);
    sum[2] += static_cast<std::int32_t>(even) >> 16;
    sum[3] += static_cast<std::int32_t>(odd) >> 16;
  };
  for (int y = 0; y < w.rows; ++y, at += w.row_step) {
    for (int left = w.columns; left > 0;) {
      int run = std::min(left, room);
      left -= run;
      room -= run;
      for (; run > 0; --run, at += w.depth) {
        std::uint32_t word;
        std::memcpy(&word, at, 4);
        even = sxtab16(even, word);
        odd = sxtab16_odd(odd, word);
      }
      if (room == 0) {
        carry();
        even = odd = 0;
        room = kMost;
      }
    }
  }
  carry();
}

}  // namespace

void average_pool(const std::uint8_t* record, const std::uint8_t*, std::uint8_t* arena) {
  const auto& s = as<PoolStep>(record);
  const auto* input = reinterpret_cast<const std::int8_t*>(arena + s.step.input);
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  const int depth = s.channels;
  const int pitch = s.in_width * depth;
  for (int out_y = 0; out_y < s.out_height; ++out_y) {
    const int top = out_y * s.stride_height - s.pad_top;
    const int y0 = std::max(0, top);
    const int rows = std::min<int>(s.in_height, top + s.window_height) - y0;
    for (int out_x = 0; out_x < s.out_width; ++out_x) {
      const int left = out_x * s.stride_width - s.pad_left;
      const int x0 = std::max(0, left);
      const int columns = std::min<int>(s.in_width, left + s.window_width) - x0;
      const Window window{input + y0 * pitch + x0 * depth, rows, columns, pitch - columns * depth, depth};
      int c = 0;
      for (; c + 4 <= depth; c += 4) {
        std::int32_t sum[4];
        sum_of_four(window, window.first + c, sum);
        for (const std::int32_t one : sum) *output++ = mean(one, rows * columns, s);
      }
      for (; c < depth; ++c) *output++ = mean(sum_of_one(window, window.first + c), rows * columns, s);
    }
  }
}

}  // namespace tml::fw::nn::m4
