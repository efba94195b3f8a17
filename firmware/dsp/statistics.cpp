// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/statistics.hpp"

#include <algorithm>

#include "firmware/dsp/math.hpp"

namespace tml::fw::dsp {
namespace {

constexpr std::size_t kBlock = 32;

struct Moments {
  float square = 0.0F;  // means of the powers of the deviation
  float cube = 0.0F;
  float fourth = 0.0F;
};

Moments moments_of(std::span<const float> column, float mean, bool higher) {
  Moments total;
  for (std::size_t from = 0; from < column.size(); from += kBlock) {
    Moments part;
    const auto block = column.subspan(from, std::min(kBlock, column.size() - from));
    for (const float value : block) {
      const float d = value - mean;
      const float d2 = d * d;
      part.square += d2;
      if (higher) {
        part.cube += d2 * d;
        part.fourth += d2 * d2;
      }
    }
    total.square += part.square;
    total.cube += part.cube;
    total.fourth += part.fourth;
  }
  const auto n = static_cast<float>(column.size());
  return {total.square / n, total.cube / n, total.fourth / n};
}

}  // namespace

float mean_of(std::span<const float> column) {
  // About the first value: constant signals stay exact, and a large offset costs no digits.
  const float origin = column[0];
  float total = 0.0F;
  for (std::size_t from = 0; from < column.size(); from += kBlock) {
    float part = 0.0F;
    for (const float value : column.subspan(from, std::min(kBlock, column.size() - from))) part += value - origin;
    total += part;
  }
  return origin + total / static_cast<float>(column.size());
}

float median_of(std::span<float> column) {
  const auto middle = column.begin() + static_cast<std::ptrdiff_t>(column.size() / 2);
  std::nth_element(column.begin(), middle, column.end());
  float value = *middle;
  if (column.size() % 2 == 0) {
    const float below = *std::max_element(column.begin(), middle);
    value = below + 0.5F * (value - below);
  }
  return value + 0.0F;  // -0 becomes +0, whichever of them the selection met
}

std::size_t statistics_of(std::span<float> column, std::uint16_t mask, std::span<float> into) {
  std::size_t count = 0;
  const auto add = [&](Statistic bit, float value) {
    if ((mask & bit) != 0) into[count++] = value;
  };
  float least = column[0];
  float most = column[0];
  for (const float value : column) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const float mean = mean_of(column);
  const bool higher = (mask & (kSkewness | kKurtosis)) != 0;
  const Moments moments = moments_of(column, mean, higher);
  const float deviation = root(moments.square);
  // A spread so small that its powers vanish in float32 has no shape to speak of.
  const bool flat = least == most || !(moments.square * moments.square > 0.0F);

  add(kMean, mean);
  add(kMinimum, least);
  add(kMaximum, most);
  add(kRms, root(mean * mean + moments.square));
  add(kDeviation, deviation);
  add(kSkewness, flat ? 0.0F : moments.cube / (moments.square * deviation));
  add(kKurtosis, flat ? 0.0F : moments.fourth / (moments.square * moments.square) - 3.0F);
  if ((mask & (kMedian | kMad)) != 0) {
    const float median = median_of(column);
    add(kMedian, median);
    if ((mask & kMad) != 0) {
      for (float& value : column) {
        const float d = value - median;
        value = d < 0.0F ? -d : d;
      }
      add(kMad, median_of(column));
    }
  }
  return count;
}

}  // namespace tml::fw::dsp
