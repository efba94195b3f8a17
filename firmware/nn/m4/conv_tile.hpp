// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The matrix core of conv and conv_1x1: three pixels times all output channels.
//
// A tile of activations holds, for k = 0, 4, ... K4, six words: (x[k], x[k+2]) of pixels 0, 1, 2, then (x[k+1], x[k+3])
// of pixels 0, 1, 2, each value widened to 16 bits. SXTB16 of four weights gives pairs in the same order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/wire/model_steps.hpp"

namespace tml::fw::nn::m4 {

inline constexpr std::size_t kTilePixels = 3;
using Rows = std::array<const std::int8_t*, kTilePixels>;

/// Arguments of the core, in the order in which its assembly reads them.
struct TileJob {
  std::int16_t* tile;
  const std::uint8_t* weights;  ///< constants + the record's `weights`.
  std::int8_t* output;          ///< Pixel 0, channel 0.
  std::int32_t rounding;        ///< 2 * output_zero + 1.
  std::uint32_t offset1;        ///< Of pixel 1 from pixel 0 in the output; 0: pixel 1 is not wanted.
  std::uint32_t offset2;        ///< Of pixel 2; 0: not wanted.
  std::int8_t* end;             ///< output + out_channels.
  std::uint32_t chunks;         ///< K4 / 4.
};

/// One tile after the other, in raster order. Scratch of the record: the tile (6 * K4 bytes), then `staging`.
class TileRunner {
 public:
  TileRunner(const wire::model::ConvStep& s, const std::uint8_t* constants, std::uint8_t* arena, std::uint32_t k4);

  /// Three rows of K4 bytes, for callers whose pixels do not lie in memory as the core needs them.
  [[nodiscard]] std::int8_t* staging(std::size_t pixel) const { return staging_ + pixel * job_.chunks * 4; }
  /// Widens the three pixels: `count` times `chunks` x 4 values of each, `down` bytes apart.
  void widen(const Rows& rows, std::uint32_t chunks, std::uint32_t count = 1, std::int32_t down = 0);
  /// The outputs of the next 1 to 3 pixels, from a tile that has been widened.
  void run(std::size_t pixels);
  /// After the last tile: the fused activation.
  void finish();

 private:
  const wire::model::ConvStep& s_;
  TileJob job_;
  std::int8_t* staging_;
  std::int8_t* output_;
  bool relu_;
};

}  // namespace tml::fw::nn::m4
