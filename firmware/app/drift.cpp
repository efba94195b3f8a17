// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/drift.hpp"

#include <algorithm>
#include <cmath>

namespace tml::fw::app {

void Drift::count_features(std::span<const float> values) {
  if (values.empty()) return;
  if (features != values.size() && features != 0) reset();
  features = static_cast<std::uint32_t>(values.size());
  for (std::size_t c = 0; c < cells(); ++c) {
    const std::size_t first = first_of(c);
    const std::size_t count = first_of(c + 1) - first;
    // Sums of differences to the mean so far, in single precision: doubles are computed in software on the MCU.
    const auto centre = static_cast<float>(cell[c].mean);
    float sum = 0;
    float squares = 0;
    for (const float value : values.subspan(first, count)) {
      const float difference = value - centre;
      sum += difference;
      squares += difference * difference;
    }
    // Chan, Golub and LeVeque 1979: joins the moments of two sets.
    const double n = static_cast<double>(count);
    const double before = static_cast<double>(windows) * n;
    const double mean = static_cast<double>(centre) + static_cast<double>(sum) / n;
    const double m2 =
        std::max(0.0, static_cast<double>(squares) - static_cast<double>(sum) * static_cast<double>(sum) / n);
    const double delta = mean - cell[c].mean;
    cell[c].m2 += m2 + delta * delta * before * n / (before + n);
    cell[c].mean += delta * n / (before + n);
  }
}

double Drift::variance(std::size_t c) const {
  const double count = static_cast<double>(windows) * static_cast<double>(first_of(c + 1) - first_of(c));
  return count > 0 ? cell[c].m2 / count : 0;
}

void Drift::count_scores(std::span<const float> scores) {
  label_count = static_cast<std::uint32_t>(std::min(kLabels, scores.size()));
  for (std::size_t i = 0; i < label_count; ++i) {
    const float at = std::clamp(scores[i] * static_cast<float>(kBins), 0.0F, static_cast<float>(kBins - 1));
    ++histogram[i][static_cast<std::size_t>(at)];
  }
}

void Drift::count_run(const RunCost& cost) {
  const std::uint64_t work = cost.work();
  work_least = windows == 0 ? work : std::min(work_least, work);
  work_most = std::max(work_most, work);
  work_total += work;
  ++windows;
}

}  // namespace tml::fw::app
