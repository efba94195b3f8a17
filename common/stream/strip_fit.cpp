// SPDX-License-Identifier: Apache-2.0
#include "common/stream/strip_fit.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace tml::stream {
namespace {

/// Points later than kStallTimes what this share of them reaches are stalled. A timer that beats with the interval
/// gives few distinct delays, so a median would take the later half for stalled.
constexpr double kUsualShare = 0.85;
constexpr double kStallTimes = 1.5;
/// Room for what the clock of the host itself adds.
constexpr double kTimerGrain_s = 2e-6;
/// n uniform delays leave about 2/(n+1) of their range unseen, and the freedom of the slope takes as much again.
constexpr double kUnseen = 4.0;
constexpr int kRounds = 3;
constexpr int kBisections = 40;
constexpr int kSlopes = 32;

using Points = std::vector<Point>;

double cross(const Point& o, const Point& a, const Point& b) {
  return (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x);
}

/// Monotone chain (Andrew, 1979) over points sorted by x. `side` +1: lower hull, -1: upper hull.
Points hull(const Points& points, double side) {
  Points out;
  for (const Point& point : points) {
    while (out.size() >= 2 && side * cross(out[out.size() - 2], out.back(), point) <= 0) out.pop_back();
    out.push_back(point);
  }
  return out;
}

struct Hulls {
  Points lower;
  Points upper;
  [[nodiscard]] double low(double slope) const {
    double best = lower.front().y - slope * lower.front().x;
    for (const Point& p : lower) best = std::min(best, p.y - slope * p.x);
    return best;
  }
  [[nodiscard]] double height(double slope) const {
    double high = upper.front().y - slope * upper.front().x;
    for (const Point& p : upper) high = std::max(high, p.y - slope * p.x);
    return high - low(slope);
  }
};

/// The edge of the lower hull under the mean x: least sum of delays with none negative (the linear programme of Moon,
/// Skelly and Towsley, "Estimation and removal of clock skew", 1999).
double envelope_slope(const Points& points) {
  const Points lower = hull(points, 1);
  double mean = 0;
  for (const Point& p : points) mean += p.x;
  mean /= static_cast<double>(points.size());
  for (std::size_t i = 1; i < lower.size(); ++i) {
    if (lower[i].x >= mean) return (lower[i].y - lower[i - 1].y) / (lower[i].x - lower[i - 1].x);
  }
  return (points.back().y - points.front().y) / (points.back().x - points.front().x);
}

double narrowest_slope(const Hulls& hulls) {
  double best = 0;
  double best_height = HUGE_VAL;
  const auto try_edges = [&](const Points& edges) {
    for (std::size_t i = 1; i < edges.size(); ++i) {
      const double slope = (edges[i].y - edges[i - 1].y) / (edges[i].x - edges[i - 1].x);
      const double height = hulls.height(slope);
      if (height < best_height) {
        best_height = height;
        best = slope;
      }
    }
  };
  try_edges(hulls.lower);
  try_edges(hulls.upper);
  return best;
}

/// The slope, on one side of `inside`, at which the strip has grown to `height`.
double slope_at_height(const Hulls& hulls, double inside, double direction, double height, double first_step) {
  double step = first_step;
  while (hulls.height(inside + direction * step) < height) step *= 2;
  double low = 0;
  for (int i = 0; i < kBisections; ++i) {
    const double middle = (low + step) / 2;
    (hulls.height(inside + direction * middle) < height ? low : step) = middle;
  }
  return inside + direction * step;
}

/// The mean of the slopes between `least` and `most`, each weighed by the room that its strip leaves.
double likely_slope(const Hulls& hulls, double least, double most, double height) {
  double sum = 0;
  double weights = 0;
  for (int i = 1; i < kSlopes; ++i) {
    const double slope = least + (most - least) * i / kSlopes;
    const double weight = std::max(0.0, height - hulls.height(slope));
    sum += weight * (slope - least);
    weights += weight;
  }
  return weights > 0 ? least + sum / weights : (least + most) / 2;
}

}  // namespace

std::optional<StripFit> fit_strip(std::span<const Point> points) {
  if (points.size() < kMinFitPoints) return std::nullopt;
  // Anchored at the first point, so that hours of microseconds stay exact.
  const Point origin = points.front();
  Points all;
  all.reserve(points.size());
  for (const Point& p : points) all.push_back({p.x - origin.x, p.y - origin.y});
  const double span = all.back().x;
  if (!(span > 0)) return std::nullopt;

  double slope = envelope_slope(all);
  Points kept;
  std::vector<double> delays(all.size());
  Hulls hulls;
  for (int round = 0; round < kRounds; ++round) {
    double low = HUGE_VAL;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const double delay = all[i].y - slope * all[i].x;
      low = std::min(low, delay);
      delays[i] = delay;
    }
    std::vector<double> sorted = delays;
    const auto usual =
        sorted.begin() + static_cast<std::ptrdiff_t>(kUsualShare * static_cast<double>(sorted.size() - 1));
    std::nth_element(sorted.begin(), usual, sorted.end());
    const double cut = low + kStallTimes * (*usual - low) + kTimerGrain_s;
    kept.clear();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (delays[i] <= cut) kept.push_back(all[i]);
    }
    if (kept.size() < kMinFitPoints) kept = all;
    hulls.lower = hull(kept, 1);
    hulls.upper = hull(kept, -1);
    const double next = narrowest_slope(hulls);
    const bool settled = next == slope;
    slope = next;
    if (settled) break;
  }

  const double width = hulls.height(slope);
  const double room = width * kUnseen / static_cast<double>(kept.size()) + kTimerGrain_s;
  const double grain = kTimerGrain_s / span;
  const double least = slope_at_height(hulls, slope, -1, width + room, grain);
  const double most = slope_at_height(hulls, slope, 1, width + room, grain);
  StripFit fit;
  fit.slope = likely_slope(hulls, least, most, width + room);
  fit.slope_error = (most - least) / 2;
  fit.width = width;
  fit.used = kept.size();
  fit.x0 = origin.x;
  fit.y0 = origin.y + hulls.low(fit.slope);
  return fit;
}

}  // namespace tml::stream
