// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Butterworth low and high passes of even order as cascaded second order sections, by the bilinear transform with the
// corner frequency prewarped (A. V. Oppenheim, R. W. Schafer, Discrete-Time Signal Processing, chapter 7). A filter
// starts as if its first value had been there for ever, so that gravity or an offset makes no transient.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "firmware/dsp/block.hpp"

namespace tml::fw::dsp {

inline constexpr std::uint32_t kMaxFilterOrder = 8;

/// One section, transposed direct form II, a0 = 1.
struct Section {
  float b0, b1, b2, a1, a2;
};

struct Cascade {
  std::array<Section, kMaxFilterOrder / 2> sections;
  std::uint32_t count;
};

/// `order`: 2, 4, 6 or 8. `corner`: -3 dB frequency / sampling rate, above 0 and below 0.5.
[[nodiscard]] Cascade butterworth(Filter kind, std::uint32_t order, float corner);

/// Filters the column in place.
void filter_in_place(const Cascade& cascade, std::span<float> column);

/// Low pass of order 8 at 0.8 x half the new rate, then every n-th value, the first one first. Returns how many are
/// left at the start of the column.
[[nodiscard]] std::uint32_t decimate(std::span<float> column, std::uint32_t n);
[[nodiscard]] constexpr std::uint32_t decimated(std::uint32_t readings, std::uint32_t n) {
  return n <= 1 ? readings : (readings - 1) / n + 1;
}

}  // namespace tml::fw::dsp
