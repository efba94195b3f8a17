// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// MAX_POOL_2D: four channels at a time, compared by SSUB8 and chosen by SEL.
#include <cstring>

#include "firmware/nn/kernels.hpp"
#include "firmware/nn/m4/clamp.hpp"
#include "firmware/nn/m4/dsp.hpp"
#include "firmware/nn/m4/window.hpp"

namespace tml::fw::nn::m4 {
namespace {

std::int8_t most_of_one(const Window& w, const std::int8_t* at) {
  int most = -128;
  for (int y = 0; y < w.rows; ++y, at += w.row_step)
    for (int x = 0; x < w.columns; ++x, at += w.depth) most = std::max<int>(most, *at);
  return static_cast<std::int8_t>(most);
}

std::uint32_t most_of_four(const Window& w, const std::int8_t* at) {
  std::uint32_t most = 0x80808080U;
  for (int y = 0; y < w.rows; ++y, at += w.row_step) {
    for (int x = 0; x < w.columns; ++x, at += w.depth) {
      std::uint32_t word;
      std::memcpy(&word, at, 4);
      most = greater_bytes(most, word);
    }
  }
  return most;
}

}  // namespace

void max_pool(const std::uint8_t* record, const std::uint8_t*, std::uint8_t* arena) {
  const auto& s = as<wire::model::PoolStep>(record);
  for_each_window(s, arena, [](const Window& window, std::int8_t* output) {
    int c = 0;
    for (; c + 4 <= window.depth; c += 4) {
      const std::uint32_t four = most_of_four(window, window.first + c);
      std::memcpy(output + c, &four, 4);
    }
    for (; c < window.depth; ++c) output[c] = most_of_one(window, window.first + c);
  });
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  clamp(output, output + std::size_t{s.out_height} * s.out_width * s.channels, s.minimum, s.maximum);
}

}  // namespace tml::fw::nn::m4
