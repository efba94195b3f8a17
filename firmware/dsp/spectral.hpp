// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Spectral features of each axis: decimation, filter, statistics, Welch's spectrum, its peaks, band powers and bins.
#pragma once

#include <cstdint>
#include <span>

#include "firmware/dsp/block.hpp"
#include "firmware/dsp/scratch.hpp"

namespace tml::fw::dsp {

/// First and last bin (inclusive) that kBins reports; first > last: none.
struct BinRange {
  std::uint32_t first;
  std::uint32_t last;
};
[[nodiscard]] BinRange reported_bins(const BlockConfig& config, float rate);

/// Sampling rate after decimation.
[[nodiscard]] float spectral_rate(const BlockConfig& config, const WindowFacts& window);

/// Features of one axis.
[[nodiscard]] std::uint32_t spectral_values(const BlockConfig& config, const WindowFacts& window);

struct SpectralPlan {
  SpectralPlan(const BlockConfig& config, const WindowFacts& window, Scratch& scratch);
  std::span<float> rows;
  std::span<float> column;
  std::span<float> shape;
  std::span<float> work;
  std::span<float> power;
};

[[nodiscard]] Status run_spectral(const BlockConfig& config, const WindowFacts& window, Signal& signal,
                                  std::span<float> features, const SpectralPlan& plan);

}  // namespace tml::fw::dsp
