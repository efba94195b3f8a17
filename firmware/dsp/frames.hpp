// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The blocks that cut a window into frames, in two halves: what one frame gives depends on that frame's readings alone
// (so it can be kept while the window moves on), and finish() does what concerns the window as a whole.
#pragma once

#include <cstdint>
#include <span>

#include "firmware/dsp/block.hpp"
#include "firmware/dsp/log_mel.hpp"
#include "firmware/dsp/mel.hpp"
#include "firmware/dsp/scratch.hpp"

namespace tml::fw::dsp {

[[nodiscard]] constexpr bool has_frames(BlockType type) {
  return type == BlockType::spectrogram || type == BlockType::mfe || type == BlockType::mfcc ||
         type == BlockType::log_mel;
}

/// Values that one frame of one axis gives.
[[nodiscard]] std::uint32_t frame_values(const BlockConfig& config);

class FrameBlock {
 public:
  /// A checked configuration; both arguments must outlive the block. Tables come from `scratch`.
  FrameBlock(const BlockConfig& config, const WindowFacts& window, Scratch& scratch);

  /// Fills the tables; call once, with scratch that was enough. False: see MelBank::fill.
  bool prepare();

  /// The frame whose first reading is `first`; `into`: axes used x frame_values().
  Status frame(Signal& signal, std::uint32_t first, std::span<float> into);

 private:
  void windowed();
  void values(std::span<float> into);

  const BlockConfig* config_;
  const WindowFacts* window_;
  BlockType type_;
  std::span<float> rows_;
  std::span<float> shape_;  // Hann
  std::span<float> work_;   // frame, then its transform
  std::span<float> power_;
  MelBank mel_;
  LogMelFrame log_mel_;
  std::span<float> energies_;
  std::span<float> cosine_;  // mfcc: coefficients x filters
};

/// Turns frames x (axes used x frame_values) of FrameBlock::frame() into features, in place.
void finish_frames(const BlockConfig& config, std::uint32_t frames, std::uint32_t width, std::span<float> features);

}  // namespace tml::fw::dsp
