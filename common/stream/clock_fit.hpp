// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The board's sampling clock as seen from the host: reading index against arrival time, fitted robustly
// (docs/stream.md, "The clock fit"). Bursts of a USB latency timer, damaged lines and a stalled host do not bend it.
//
// The promise: rate error at most 0.1 % once estimate().settled, i.e. after max(5 s, 50 readings), with 16 ms bursts,
// 1 % damaged lines and a stall of 200 ms; 0.1 Hz to 20 kHz. One limit is in the data: when the interval is a multiple
// of the burst period to better than burst / span, arrivals look perfect at a slightly wrong rate until the span has
// grown (docs/stream.md, "Downsides").
//
// Memory: kMaxPoints points whatever the length of the capture: neighbours are merged, the less delayed one stays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/error.hpp"
#include "common/stream/strip_fit.hpp"
#include "common/stream/types.hpp"

namespace tml::stream {

inline constexpr double kSettleSeconds = 5.0;
inline constexpr std::uint64_t kSettleReadings = 50;
/// A stated --frequency may differ from the measured one by this share plus the error of the measurement: the tolerance
/// of the RC oscillators that small boards run from.
inline constexpr double kStatedTolerance = 0.02;

struct ClockEstimate {
  double rate_hz = 0;
  double interval_s = 0;
  double rate_error = 0;  ///< Relative, of rate_hz.
  double jitter_s = 0;  ///< How late arrivals usually are at most (stalls apart): the burst period where there is one.
  double envelope_s = 0;  ///< Width of the strip that the last arrivals of bursts lie in.
  double drift_ppm = 0;   ///< Rate of the second half against that of the first; 0 before either half settles.
  double span_s = 0;
  std::uint64_t readings = 0;  ///< Places between the first and the last arrival, lost ones included.
  bool settled = false;        ///< kSettleSeconds and kSettleReadings have passed.
};

class ClockFit {
 public:
  static constexpr std::size_t kMaxPoints = 2048;
  static constexpr std::size_t kDelays = 256;
  /// Arrivals closer together came in one burst; the last reading of a burst is the least delayed.
  static constexpr double kBurst_s = 0.001;

  /// Reading `index` (increasing) arrived. O(1), now and then a fit.
  void add(std::uint64_t index, Time arrival);
  /// `count` readings are missing before `index`: those from it on were added with indices that are too low.
  void insert_missing(std::uint64_t index, std::uint64_t count);
  /// Forgets everything: the board's rate changed, or it rebooted.
  void restart();
  /// Replaces all points (x = index, y = seconds since `epoch`).
  void assign(const std::vector<Point>& points, Time epoch);

  /// Nothing before kMinFitPoints bursts.
  [[nodiscard]] const std::optional<ClockEstimate>& estimate() const { return estimate_; }
  /// Fits what is still open, e.g. before a summary.
  void refresh();
  /// When reading `index` was taken: on the line; before there is one, the last arrival.
  [[nodiscard]] Time time_of(double index) const;
  /// Errc::usage with both figures when the settled rate contradicts `stated_hz`; fine before it has settled.
  [[nodiscard]] Result<void> check_stated(double stated_hz) const;

 private:
  void compress();
  void fit();
  [[nodiscard]] double lateness(const Point& p) const { return p.y - slope_ * p.x; }

  std::vector<Point> points_;  // One per burst, or per `stride_` bursts.
  std::size_t stride_ = 1;
  std::size_t in_group_ = 0;  // Bursts merged into the last point.
  Point open_{};              // The burst under way.
  double open_since_ = 0;
  bool open_used_ = false;
  std::vector<double> delays_;  // Of first readings of bursts, against the line; a ring.
  std::size_t delay_at_ = 0;
  std::optional<Time> epoch_;
  double last_arrival_ = 0;
  std::uint64_t first_index_ = 0;
  std::uint64_t last_index_ = 0;
  std::size_t since_fit_ = 0;
  double slope_ = 0;
  std::optional<StripFit> line_;
  std::optional<ClockEstimate> estimate_;
};

}  // namespace tml::stream
