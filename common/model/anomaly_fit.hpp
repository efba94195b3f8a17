// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Fits an anomaly detector (firmware/dsp/anomaly.hpp) to feature vectors of normal windows. Deterministic: the same
// vectors, in the same order, and the same settings give the same bytes. Pure; any thread.
//
//   k_means      features standardised (mean 0, deviation 1); k-means++ starting centres from a seeded generator
//                (D. Arthur, S. Vassilvitskii, 2007), Lloyd's iterations to rest or 100; a cluster's radius is the
//                distance of its farthest vector
//   mahalanobis  covariance of the standardised features, divided by n - 1, shrunk towards the unit matrix
//
// Features that never change are left out: nothing can be said about them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "common/model/compile.hpp"
#include "common/model/impulse_file.hpp"

namespace tml::model {

struct FittedAnomaly {
  Bytes model;
  float threshold = 0;
  std::uint32_t windows = 0;
  std::uint32_t inputs = 0;
  std::uint32_t clusters = 0;
  float largest = 0;  ///< Score among the windows that it was fitted on.
};

/// `vectors`: one per window, all of one size. Errc::usage: too few windows, or a covariance that cannot be inverted.
[[nodiscard]] Result<FittedAnomaly> fit_anomaly(const AnomalySpec& spec,
                                                const std::vector<std::vector<float>>& vectors);

/// The threshold for scores of normal windows, as the spec says: the quantile q, plus (margin - 1) times |q| or
/// `least_scale`, whichever is larger.
[[nodiscard]] float threshold_for(const AnomalySpec& spec, std::vector<float> scores, float least_scale = 0);

/// A model that `--fitted` wrote; checked. `features`: what the impulse gives.
[[nodiscard]] Result<FittedAnomaly> read_fitted(Bytes bytes, const AnomalySpec& spec, std::uint32_t features,
                                                const std::string& where);

}  // namespace tml::model
