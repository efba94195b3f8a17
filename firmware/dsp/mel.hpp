// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Triangular filters that are equally spaced on the mel scale. Neighbours share their slopes: the bin at one place of a
// slope adds w to the filter that rises there and 1 - w to the one that falls, so one weight per bin is enough.
//
// Two shapes: straight in hertz (HTK, librosa with htk=True and norm=None), and straight in mel with weights of 12 bits
// and bin 0 left out (TensorFlow's micro front end).
#pragma once

#include <cstdint>
#include <span>

#include "firmware/dsp/block.hpp"
#include "firmware/dsp/scratch.hpp"

namespace tml::fw::dsp {

enum class Slope : std::uint8_t { hertz, mel_12_bit };

class MelBank {
 public:
  /// Takes its tables from `scratch`; fill() must follow before energies().
  void lay_out(const BlockConfig& config, float rate, Scratch& scratch);
  /// Computes the tables, straight in hertz. False: no bin lies between the edges.
  bool fill();
  /// The same verdict without tables, for check().
  [[nodiscard]] static bool every_filter_has_a_bin(const BlockConfig& config, float rate, Slope slope);

  /// One energy for each filter out of the power spectrum (fft_length / 2 + 1 values).
  void energies(std::span<const float> power, std::span<float> into) const;

 private:
  std::uint32_t filters_ = 0;
  std::uint32_t bins_ = 0;
  float bin_hz_ = 0.0F;
  float low_hz_ = 0.0F;
  float high_hz_ = 0.0F;
  std::span<float> rising_{};            // of each bin, in the slope that it lies in
  std::span<std::uint16_t> slope_at_{};  // first bin of each of the filters + 1 slopes, and the end of the last
};

/// The tables of mel_12_bit for whole numbers of 1 / 4096: what each bin adds to the filter that falls and to the one
/// that rises (fft_length / 2 + 1 values each, 0 outside), and the first bin of each of the filters + 1 slopes with the
/// end of the last (filters + 2 values).
void fill_12_bit(const BlockConfig& config, float rate, std::span<std::int16_t> falling, std::span<std::int16_t> rising,
                 std::span<std::uint16_t> slope_at);

}  // namespace tml::fw::dsp
