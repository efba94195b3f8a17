// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// AVERAGE_POOL_2D: four channels at a time, summed in halves of words and carried over before those overflow.
#include <algorithm>
#include <cstring>

#include "firmware/nn/kernels.hpp"
#include "firmware/nn/m4/dsp.hpp"
#include "firmware/nn/m4/window.hpp"

namespace tml::fw::nn::m4 {
namespace {

using wire::model::PoolStep;

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
  for_each_window(s, arena, [&s](const Window& window, std::int8_t* output) {
    const std::int32_t count = window.rows * window.columns;
    int c = 0;
    for (; c + 4 <= window.depth; c += 4) {
      std::int32_t sum[4];
      sum_of_four(window, window.first + c, sum);
      for (const std::int32_t one : sum) *output++ = mean(one, count, s);
    }
    for (; c < window.depth; ++c) *output++ = mean(sum_of_one(window, window.first + c), count, s);
  });
}

}  // namespace tml::fw::nn::m4
