// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Statistics of one column of values. Sums are taken over blocks of 32 values and then over blocks, so that the
// rounding error grows with n / 32 + 32 and not with n.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "firmware/dsp/block.hpp"

namespace tml::fw::dsp {

[[nodiscard]] constexpr std::uint32_t statistic_count(std::uint16_t mask) {
  return static_cast<std::uint32_t>(std::popcount(mask));
}

/// Arithmetic mean; of equal values exactly that value. Not of an empty column.
[[nodiscard]] float mean_of(std::span<const float> column);

/// Middle value, of an even number of values the mean of the two middle ones. Reorders the column.
[[nodiscard]] float median_of(std::span<float> column);

/// Writes statistic_count(mask) values in the order of the bits and returns how many. A column with kMedian or kMad is
/// reordered, with kMad overwritten; with others it is left as it is.
std::size_t statistics_of(std::span<float> column, std::uint16_t mask, std::span<float> into);

}  // namespace tml::fw::dsp
