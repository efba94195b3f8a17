// SPDX-License-Identifier: Apache-2.0
#include "common/stream/clock_fit.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace tml::stream {
namespace {

/// The share of delays that the jitter covers; the rest are stalls. A uniform delay ends at jitter = quantile / share.
constexpr double kJitterShare = 0.8;
constexpr std::size_t kFitAlways = 64;   // Points up to which each burst is fitted.
constexpr std::size_t kFitEvery = 16;    // Beyond: after points/kFitEvery more.
constexpr std::size_t kHalfPoints = 25;  // For a drift figure.

std::string hz_text(double hz) {
  char text[48];
  std::snprintf(text, sizeof text, "%.6g Hz", hz);
  return text;
}

}  // namespace

void ClockFit::restart() { *this = ClockFit{}; }

void ClockFit::assign(const std::vector<Point>& points, Time epoch) {
  restart();
  epoch_ = epoch;
  points_ = points;
  if (points_.empty()) return;
  while (points_.size() > kMaxPoints) compress();
  in_group_ = stride_;
  first_index_ = static_cast<std::uint64_t>(points_.front().x);
  last_index_ = static_cast<std::uint64_t>(points_.back().x);
  last_arrival_ = points_.back().y;
  open_ = points_.back();
  open_since_ = open_.y;
  open_used_ = true;
  fit();
}

void ClockFit::add(std::uint64_t index, Time arrival) {
  if (!epoch_) {
    epoch_ = arrival;
    first_index_ = index;
  }
  const Point point{static_cast<double>(index), seconds_between(*epoch_, arrival)};
  last_index_ = index;
  last_arrival_ = point.y;
  const bool same_burst = open_used_ && point.y - open_since_ <= kBurst_s;
  open_ = point;
  if (same_burst) {
    // Only while the last point stands for this burst alone can it be moved on.
    if (in_group_ <= 1 && !points_.empty()) {
      points_.back() = point;
    } else if (lateness(point) < lateness(points_.back())) {
      points_.back() = point;
    }
    return;
  }
  open_since_ = point.y;
  open_used_ = true;
  if (line_) {
    const double delay = point.y - line_->at(point.x);
    if (delays_.size() < kDelays) {
      delays_.push_back(delay);
    } else {
      delays_[delay_at_++ % kDelays] = delay;
    }
  }
  if (in_group_ < stride_ && !points_.empty()) {
    ++in_group_;
    if (lateness(point) < lateness(points_.back())) points_.back() = point;
    return;
  }
  points_.push_back(point);
  in_group_ = 1;
  ++since_fit_;
  if (points_.size() >= kMaxPoints) compress();
  if (points_.size() <= kFitAlways || since_fit_ * kFitEvery >= points_.size()) fit();
}

void ClockFit::insert_missing(std::uint64_t index, std::uint64_t count) {
  const auto from = static_cast<double>(index);
  const auto by = static_cast<double>(count);
  for (Point& point : points_) {
    if (point.x >= from) point.x += by;
  }
  if (open_used_ && open_.x >= from) open_.x += by;
  if (last_index_ >= index) last_index_ += count;
  fit();
}

void ClockFit::compress() {
  std::size_t out = 0;
  for (std::size_t i = 0; i < points_.size(); i += 2) {
    const bool pair = i + 1 < points_.size();
    points_[out++] = pair && lateness(points_[i + 1]) < lateness(points_[i]) ? points_[i + 1] : points_[i];
  }
  points_.resize(out);
  stride_ *= 2;
  in_group_ = stride_;
}

void ClockFit::refresh() {
  if (since_fit_ > 0 || !estimate_) fit();
}

void ClockFit::fit() {
  since_fit_ = 0;
  const auto line = fit_strip(points_);
  if (!line || !(line->slope > 0)) return;
  line_ = line;
  slope_ = line->slope;
  ClockEstimate e;
  e.interval_s = line->slope;
  e.rate_hz = 1.0 / line->slope;
  e.rate_error = line->slope_error / line->slope;
  e.envelope_s = line->width;
  e.span_s = last_arrival_ - points_.front().y;
  e.readings = last_index_ - first_index_ + 1;
  e.settled = e.span_s >= kSettleSeconds && e.readings >= kSettleReadings;
  e.jitter_s = line->width;
  if (delays_.size() >= kMinFitPoints) {
    std::vector<double> sorted = delays_;
    const auto at = static_cast<std::size_t>(kJitterShare * static_cast<double>(sorted.size() - 1));
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(at), sorted.end());
    e.jitter_s = std::max(e.jitter_s, sorted[at] / kJitterShare);
  }
  const std::size_t half = points_.size() / 2;
  if (half >= kHalfPoints && e.settled) {
    const auto first = fit_strip(std::span(points_).first(half));
    const auto second = fit_strip(std::span(points_).subspan(half));
    if (first && second && second->slope > 0) e.drift_ppm = (first->slope / second->slope - 1.0) * 1e6;
  }
  estimate_ = e;
}

Time ClockFit::time_of(double index) const {
  if (!epoch_) return Time{0};
  return *epoch_ + from_seconds(line_ ? line_->at(index) : last_arrival_);
}

Result<void> ClockFit::check_stated(double stated_hz) const {
  if (!estimate_ || !estimate_->settled || !(stated_hz > 0)) return {};
  const double off = std::fabs(estimate_->rate_hz / stated_hz - 1.0);
  if (off <= kStatedTolerance + estimate_->rate_error) return {};
  return fail(
      Errc::usage,
      "the stated frequency is " + hz_text(stated_hz) + ", but readings arrive at " + hz_text(estimate_->rate_hz),
      "--frequency",
      estimate_->rate_hz < stated_hz
          ? "State the frequency that the board samples at; if it does, lines are lost on the way."
          : "State the frequency that the board samples at.");
}

}  // namespace tml::stream
