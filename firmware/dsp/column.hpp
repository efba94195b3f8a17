// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One axis of a window as a column of floats.
#pragma once

#include "firmware/dsp/block.hpp"

namespace tml::fw::dsp {

/// Whether a block with this mask looks at the axis (0 = all).
[[nodiscard]] constexpr bool axis_used(std::uint32_t mask, std::uint32_t axis) {
  return mask == 0 || ((mask >> axis) & 1U) != 0;
}
/// How many of `axes` axes the mask chooses.
[[nodiscard]] constexpr std::uint32_t axes_used(std::uint32_t mask, std::uint32_t axes) {
  std::uint32_t count = 0;
  for (std::uint32_t axis = 0; axis < axes; ++axis) count += axis_used(mask, axis) ? 1U : 0U;
  return count;
}

/// Floats that read_column() needs to take readings apart; 0 with one axis.
[[nodiscard]] constexpr std::size_t row_floats(std::uint32_t axes) {
  constexpr std::size_t kRows = 32;
  return axes == 1 ? 0 : kRows * axes;
}

/// Floats that a raw block reads at a time.
[[nodiscard]] constexpr std::size_t raw_floats(std::uint32_t axes) { return std::size_t{32} * axes; }

/// Values of `axis` of readings [first, first + into.size()), times scale. `rows` has row_floats() floats.
/// Errors: read_failed, not_finite.
[[nodiscard]] Status read_column(Signal& signal, const WindowFacts& window, std::uint32_t axis, std::uint32_t first,
                                 float scale, std::span<float> into, std::span<float> rows);

}  // namespace tml::fw::dsp
