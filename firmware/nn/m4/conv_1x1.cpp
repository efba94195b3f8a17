// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// CONV_2D 1x1: three pixels at a time, read before they are written (overlap.hpp).
#include <algorithm>

#include "firmware/nn/kernels.hpp"
#include "firmware/nn/layout.hpp"
#include "firmware/nn/m4/conv_tile.hpp"

namespace tml::fw::nn::m4 {

void conv_1x1(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<wire::model::ConvStep>(record);
  const std::uint32_t depth = s.in_channels;
  TileRunner tiles(s, constants, arena, round_up4(depth));
  const auto* input = reinterpret_cast<const std::int8_t*>(arena + s.step.input);
  for (std::size_t left = std::size_t{s.out_height} * s.out_width; left != 0;) {
    const std::size_t pixels = std::min(left, kTilePixels);
    Rows rows{input, input, input};
    for (std::size_t p = 0; p < pixels; ++p, input += depth) {
      rows[p] = input;
      if (depth % 4 == 0) continue;
      std::int8_t* to = tiles.staging(p);
      for (std::uint32_t c = 0; c < depth; ++c) to[c] = input[c];
      rows[p] = to;
    }
    tiles.widen(rows, round_up4(depth) / 4);
    tiles.run(pixels);
    left -= pixels;
  }
  tiles.finish();
}

}  // namespace tml::fw::nn::m4
