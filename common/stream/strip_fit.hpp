// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Fits a line to points whose errors go one way only: an arrival is never early, and late by anything from nothing to a
// USB latency timer, or by a stall of the host (docs/stream.md, "The clock fit"). Pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace tml::stream {

/// x = reading index, y = arrival in seconds. Strictly increasing x.
struct Point {
  double x = 0;
  double y = 0;
};

/// The narrowest strip that holds the points that are not stalled; its lower edge is the clock.
struct StripFit {
  double x0 = 0;  ///< Where the line is anchored: on its lower edge.
  double y0 = 0;
  double slope = 0;        ///< y per x.
  double slope_error = 0;  ///< Half the range of slopes that strips of about this width allow.
  double width = 0;        ///< Height of the strip, in y.
  std::size_t used = 0;    ///< Points in it.
  [[nodiscard]] double at(double x) const { return y0 + slope * (x - x0); }
};

inline constexpr std::size_t kMinFitPoints = 3;

/// Nothing for fewer than kMinFitPoints points. O(n) plus hull sizes squared; allocates.
[[nodiscard]] std::optional<StripFit> fit_strip(std::span<const Point> points);

}  // namespace tml::stream
