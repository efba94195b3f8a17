// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// TensorFlow's micro front end (tensorflow/lite/experimental/microfrontend), which micro_speech and its kin were
// trained with: whole numbers from the 16 bit reading to the logarithm, with the original's roundings (docs/dsp.md).
#pragma once

#include <cstdint>
#include <span>

#include "firmware/dsp/block.hpp"
#include "firmware/dsp/scratch.hpp"

namespace tml::fw::dsp {

/// One frame of one axis: window, transform, filter magnitudes.
class LogMelFrame {
 public:
  /// A checked configuration; both arguments must outlive it.
  void lay_out(const BlockConfig& config, const WindowFacts& window, Scratch& scratch);
  /// Fills the tables; call once, with scratch that was enough.
  void prepare();

  /// `rows`: row_floats() floats. `into`: mel_filters whole magnitudes, at most 2^22 - 1.
  Status frame(Signal& signal, std::uint32_t axis, std::uint32_t first, std::span<float> rows, std::span<float> into);

 private:
  void magnitudes(std::uint32_t shift, std::span<float> into) const;

  const BlockConfig* config_ = nullptr;
  const WindowFacts* window_ = nullptr;
  std::span<float> piece_{};
  std::span<std::int16_t> shape_{};  // Hann, 12 bits
  std::span<std::int16_t> work_{};
  std::span<std::int16_t> falling_{};
  std::span<std::int16_t> rising_{};
  std::span<std::uint16_t> slope_at_{};
};

/// Hann window sampled between the readings, 0.5 - 0.5 cos(2 pi (i + 0.5) / n), in units of 1 / 4096. n: 2 .. 4096.
void log_mel_window(std::span<std::int16_t> shape);

/// Noise reduction, gain control and logarithm over the frames of a window, in place.
void log_mel_finish(const BlockConfig& config, std::uint32_t frames, std::uint32_t width, std::span<float> features);

}  // namespace tml::fw::dsp
