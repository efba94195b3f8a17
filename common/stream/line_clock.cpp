// SPDX-License-Identifier: Apache-2.0
#include "common/stream/line_clock.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tml::stream {
namespace {

constexpr std::size_t kWindow = 8;  // Bursts of which the earliest counts, where losses cannot be told line by line.
/// Of arrivals closer together the earliest counts there. A busy machine is late by a fraction of a millisecond for
/// tens of milliseconds on end, which at a high rate looks like a loss. Below the period of a bridge, whose bursts stay
/// apart.
constexpr double kSlice_s = 0.010;
constexpr std::size_t kBefore = 2 * kWindow;
constexpr std::size_t kAfter = 3 * kWindow;
constexpr std::size_t kNoiseRing = 33;
constexpr double kNoiseTimes = 5;
constexpr double kStepShare = 0.6;        // Of an interval, the least step that counts.
constexpr double kFlatShare = 0.35;       // Of a step, how much it may still grow and be a step.
constexpr double kRateShare = 0.002;      // Changes of rate below this are drift.
constexpr double kHalfShare = 0.6;        // Of a change of rate, what each half of the window must show.
constexpr double kStall_s = 0.05;         // Shorter delays are not worth an event.
constexpr double kSearchShare = 0.2;      // Around the median interval.
constexpr double kBridgeTimer_s = 0.016;  // FTDI's latency timer as it comes; others are set by hand, to less.
constexpr double kBridgeStrip_s = 0.018;  // With what the host adds.
constexpr double kNearPeriod = 0.1;
constexpr double kOnGrid = 0.5;         // Of a perfect coherence.
constexpr double kSlowBeat = 1.0 / 40;  // Of a line in one period of the timer: too slow to pass within a window.

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// How well arrivals agree with an interval, lost lines or not: they share a phase.
double coherence(std::span<const Point> points, double interval) {
  double re = 0;
  double im = 0;
  for (const Point& p : points) {
    const double turn = 2 * std::numbers::pi * (p.y - points.front().y) / interval;
    re += std::cos(turn);
    im += std::sin(turn);
  }
  return re * re + im * im;
}

bool on_bridge_grid(std::span<const Point> points) {
  const auto count = static_cast<double>(points.size());
  return coherence(points, kBridgeTimer_s) > kOnGrid * count * count;
}

/// Whether lines beat slowly with the bridge's timer: the last one of a burst waits about as long as that of the burst
/// before. Where the beat wraps, arrivals are late by one interval from one burst to the next, as after a loss.
bool beats_slowly(std::span<const Point> points, double interval) {
  const double lines = kBridgeTimer_s / interval;
  return std::fabs(lines - std::max(1.0, std::round(lines))) < kSlowBeat && on_bridge_grid(points);
}

/// Whether arrivals need no loss to be explained: a line without one holds them in the strip of a bridge's timer.
/// Without this, an interval between one and two periods of the timer (50 Hz) is taken for the period with a loss now
/// and then.
bool timer_explains(const std::vector<Point>& points) {
  const auto line = fit_strip(points);
  if (!line || line->width > kBridgeStrip_s || line->used * 10 < points.size() * 9) return false;
  // A loss widens the strip to more than half the interval at least.
  return line->slope > 2 * line->width || on_bridge_grid(points);
}

/// The interval near `guess` at which arrivals share a phase best. Losses do not move it, since a whole interval is a
/// whole turn.
double search_interval(const std::vector<Point>& points, double guess) {
  const double span = points.back().y - points.front().y;
  const double turns = span / guess;
  const auto steps = static_cast<int>(std::clamp(turns * kSearchShare * 16, 16.0, 4000.0));
  const bool grid = on_bridge_grid(points);
  double best = guess;
  double best_score = -1;
  for (int i = -steps; i <= steps; ++i) {
    const double interval = guess / (1 + kSearchShare * i / steps);
    // What arrivals share there is the phase of the bridge's timer.
    const double periods = interval / kBridgeTimer_s;
    if (grid && periods < 2.5 && std::fabs(periods - std::round(periods)) < kNearPeriod) continue;
    const double score = coherence(points, interval);
    if (score > best_score) {
      best_score = score;
      best = interval;
    }
  }
  return best;
}

/// Moves points right by the lines that are missing before them: from each point on, the earliest of all later ones
/// shows for how many intervals they are late for good.
std::vector<Point> place_losses(std::vector<Point> points, double interval) {
  std::vector<double> least(points.size());
  double low = HUGE_VAL;
  for (std::size_t i = points.size(); i-- > 0;) {
    low = std::min(low, points[i].y - points[i].x * interval);
    least[i] = low;
  }
  double missing = 0;
  // The last ones are too few to tell a stall from a loss.
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (i + 3 <= points.size()) missing = std::max(missing, std::round((least[i] - low) / interval));
    points[i].x += missing;
  }
  return points;
}

}  // namespace

double LineClock::interval() const { return fit_.estimate() ? fit_.estimate()->interval_s : 0; }

std::uint64_t LineClock::hidden_bound() const {
  const double step = interval();
  if (resolvable_ || !(step > 0)) return 0;
  return wraps_ + static_cast<std::uint64_t>(std::ceil(std::max(kStepShare * step, kNoiseTimes * noise_) / step));
}

void LineClock::add(Time arrival) {
  if (!epoch_) epoch_ = arrival;
  const double y = seconds_between(*epoch_, arrival);
  held_.push_back({y});
  const double x = static_cast<double>(released_ + held_.size() - 1 + shift_);
  changed_ = true;
  const double since = y - burst_since_;
  if (!recent_.empty() && since <= ClockFit::kBurst_s) {
    recent_.back() = {x, y};
    return;
  }
  if (!recent_.empty() && learnt_ && !resolvable_ && since <= kSlice_s) {
    if (lateness({x, y}) <= lateness(recent_.back())) recent_.back() = {x, y};
    return;
  }
  burst_since_ = y;
  new_burst_ = true;
  recent_.push_back({x, y});
}

void LineClock::settle(Sink sink) {
  if (!changed_) return;
  changed_ = false;
  if (!learnt_) return learn(sink, false);
  evaluate(sink, false);
}

void LineClock::finish(Sink sink) {
  if (!learnt_) {
    learn(sink, true);
  } else {
    evaluate(sink, true);
  }
  release_to(HUGE_VAL, sink);
  fit_.refresh();
}

void LineClock::learn(Sink sink, bool final) {
  const bool enough =
      held_.size() >= kLearnSlots && held_.back().y - held_.front().y >= kLearn_s && recent_.size() >= kMinFitPoints;
  if (!enough && !final && held_.size() < kMaxHeld) return;
  learnt_ = true;
  std::vector<Point> placed = recent_;
  if (recent_.size() >= kLearnSlots) {
    std::vector<double> steps;
    std::vector<double> sizes;
    for (std::size_t i = 1; i < recent_.size(); ++i) {
      steps.push_back(recent_[i].y - recent_[i - 1].y);
      sizes.push_back(recent_[i].x - recent_[i - 1].x);
    }
    if (median(sizes) == 1 && !timer_explains(recent_)) {
      const double found = search_interval(recent_, median(steps));
      auto moved = place_losses(recent_, found);
      const auto line = fit_strip(moved);
      if (line && line->width < 0.5 * found && line->used * 10 >= moved.size() * 7) placed = std::move(moved);
    }
  }
  // The lines go out with the losses found; the clock learns the same points as they pass.
  std::vector<Point> own = recent_;
  fit_.assign(placed, *epoch_);
  ClockFit learned = fit_;
  fit_.restart();
  const double step = learned.estimate() ? learned.estimate()->interval_s : 0;
  double low = HUGE_VAL;
  for (const Point& p : placed) low = std::min(low, p.y - p.x * step);
  // Late ones at the end stay open: what follows tells.
  std::size_t sure = placed.size();
  while (sure > 1 && !final && step > 0 && placed[sure - 1].y - placed[sure - 1].x * step > low + step / 2 &&
         learned.estimate()->jitter_s * 2 < step) {
    --sure;
  }
  for (std::size_t i = 0; i < sure; ++i) {
    const auto missing = static_cast<std::uint64_t>(placed[i].x - own[i].x) - shift_;
    if (missing > 0) {
      const bool alone = i > 0 && own[i].x - own[i - 1].x == 1;
      LineClockEvent event;
      event.kind = LineClockEvent::Kind::gap;
      const std::uint64_t first = next_index();
      event.gap = {first, missing, GapKind::lost_lines, alone, first, missing};
      shift_ += missing;
      sink(event);
    }
    release_to(placed[i].x, sink);
  }
  for (std::size_t i = 0; i < recent_.size(); ++i) {
    recent_[i].x = i < sure ? placed[i].x : own[i].x + static_cast<double>(shift_);
  }
  fit_.refresh();
  if (!fit_.estimate()) fit_ = learned;
  trim();
  evaluate(sink, final);
}

void LineClock::release_to(double x, Sink sink) {
  LineClockEvent event;
  while (!held_.empty()) {
    const std::uint64_t index = released_ + shift_;
    if (static_cast<double>(index) > x) return;
    fit_.add(index, *epoch_ + from_seconds(held_.front().y));
    held_.pop_front();
    event.slot = released_++;
    event.index = index;
    sink(event);
  }
}

void LineClock::trim() {
  if (recent_.size() <= 2 * kRecent) return;
  recent_.erase(recent_.begin(), recent_.end() - static_cast<std::ptrdiff_t>(kRecent));
}

double LineClock::least_late(std::size_t from, std::size_t to, double interval) const {
  double low = HUGE_VAL;
  for (std::size_t i = from; i < to; ++i) low = std::min(low, recent_[i].y - recent_[i].x * interval);
  return low;
}

void LineClock::evaluate(Sink sink, bool final) {
  const auto& estimate = fit_.estimate();
  if (!estimate) {
    release_to(HUGE_VAL, sink);
    fit_.refresh();
    trim();
    return;
  }
  resolvable_ = estimate->interval_s > std::max(2 * estimate->jitter_s, kLeastExact_s);
  if (new_burst_) {
    ++bursts_;
    if (!look_for_rate(kRatePoints, sink)) look_for_rate(kRecent, sink);
  }
  if (resolvable_) {
    look_for_loss(sink, final);
  } else {
    release_to(HUGE_VAL, sink);
    if (new_burst_) look_for_step(sink);
  }
  if (new_burst_ && fit_.estimate()) {
    if (bursts_ % kRatePoints == 0 && fit_.estimate()->readings >= 2 * kLearnSlots) {
      references_.push_back({bursts_, *fit_.estimate()});
      if (references_.size() > kRecent / kRatePoints + 2) references_.pop_front();
    }
  }
  new_burst_ = false;
  trim();
  if (held_.size() >= kMaxHeld) release_to(HUGE_VAL, sink);
}

void LineClock::look_for_loss(Sink sink, bool final) {
  const double step = interval();
  const std::size_t from = recent_.size() > kRecent ? recent_.size() - kRecent : 0;
  const double base = least_late(from, recent_.size());
  std::size_t first = recent_.size();
  while (first > from && lateness(recent_[first - 1]) > base + step / 2) --first;
  const std::size_t late = recent_.size() - first;
  if (late == 0) {
    if (late_peak_ > kStall_s) {
      LineClockEvent event;
      event.kind = LineClockEvent::Kind::stall;
      event.stall = {late_index_, late_peak_};
      sink(event);
    }
    late_peak_ = 0;
    unsure_from_.reset();
    return release_to(HUGE_VAL, sink);
  }
  if (first > from) release_to(recent_[first - 1].x, sink);
  if (held_.empty()) return;
  if (recent_[first].x > static_cast<double>(next_index())) {
    // Several lines in one burst: the host had stalled, and a loss among them cannot be placed. It is put behind them,
    // since a line that seems late does the fit no harm and one that seems early would bend it.
    if (!unsure_from_) unsure_from_ = next_index();
    if (late_peak_ == 0) late_index_ = next_index();
    late_peak_ = std::max(late_peak_, lateness(recent_[first]) - base);
    release_to(recent_[first].x, sink);
    recent_.erase(recent_.begin() + static_cast<std::ptrdiff_t>(first));
    burst_since_ = -HUGE_VAL;  // The burst's point is gone; what still comes of it makes a new one.
    // Without a later burst nothing says yet whether the stall is over.
    if (first == recent_.size()) return;
    return look_for_loss(sink, final);
  }
  if (late_peak_ == 0) late_index_ = next_index();
  late_peak_ = std::max(late_peak_, lateness(recent_.back()) - base);
  const bool decided = late >= kDecide && recent_.back().y - recent_[first].y >= kDecide_s;
  if (!decided && !(final && late >= 2)) return;
  const double lateness_now = least_late(first, recent_.size()) - base;
  const std::size_t third = std::max<std::size_t>(late / 3, 1);
  const double growth = least_late(recent_.size() - third, recent_.size()) - least_late(first, first + third);
  if (growth > kFlatShare * step && late < kRatePoints && !final) {
    // Either more losses, or another rate. On a straight line it is the rate, which look_for_rate() decides.
    const auto line = fit_strip(std::span(recent_).subspan(first));
    if (line && line->width <= fit_.estimate()->jitter_s + 0.1 * step) return;
  }
  const auto missing = static_cast<std::uint64_t>(std::max(1.0, std::round(lateness_now / step)));
  LineClockEvent event;
  event.kind = LineClockEvent::Kind::gap;
  const std::uint64_t index = next_index();
  event.gap = {index, missing, GapKind::lost_lines, !unsure_from_, unsure_from_.value_or(index), missing};
  unsure_from_.reset();
  shift_ += missing;
  for (std::size_t i = first; i < recent_.size(); ++i) recent_[i].x += static_cast<double>(missing);
  late_peak_ = 0;
  sink(event);
  look_for_loss(sink, final);
}

void LineClock::look_for_step(Sink sink) {
  if (recent_.size() < kBefore + kAfter + 1) return;
  // The burst under way may still grow.
  const std::size_t end = recent_.size() - 1;
  const std::size_t after = end - kAfter;
  // Against what held before the window: the fit of now has bent towards a loss in it, which hides a part of it.
  const auto before = std::find_if(references_.rbegin(), references_.rend(),
                                   [this](const Reference& r) { return r.burst + kBefore + kAfter <= bursts_; });
  const ClockEstimate estimate = before == references_.rend() ? *fit_.estimate() : before->estimate;
  const double interval_now = estimate.interval_s;
  const auto late_by = [interval_now](const Point& p) { return p.y - p.x * interval_now; };
  const double base = least_late(after - kBefore, after, interval_now);
  const double early = least_late(after, after + kWindow, interval_now);
  const double middle = least_late(after + kWindow, after + 2 * kWindow, interval_now);
  const double last = least_late(after + 2 * kWindow, end, interval_now);
  if (bursts_ % kWindow == 0) {
    steps_.push_back(std::fabs(last - middle));
    if (steps_.size() > kNoiseRing) steps_.pop_front();
    noise_ = median(std::vector<double>(steps_.begin(), steps_.end()));
  }
  const double step = std::min({early, middle, last}) - base;
  const double least = std::max({kStepShare * interval_now, kNoiseTimes * noise_, 0.5 * estimate.envelope_s});
  if (steps_.size() < 3 || step < least) return;
  if (std::fabs(last - early) > std::max(kFlatShare * step, 2 * noise_)) return;
  const auto missing = static_cast<std::uint64_t>(std::max(1.0, std::round(step / interval_now)));
  if (missing == 1 && beats_slowly(std::span(recent_).first(end).last(kBefore + kAfter), interval_now)) {
    if (bursts_ >= wrapped_ + kAfter) ++wraps_;
    wrapped_ = bursts_;
    return;
  }
  std::size_t normal = after;
  while (normal > after - kBefore && late_by(recent_[normal - 1]) > base + step / 2) --normal;
  LineClockEvent event;
  event.kind = LineClockEvent::Kind::gap;
  const std::uint64_t index = next_index();
  const double bound = std::ceil((step + std::max(2 * noise_, 0.5 * estimate.envelope_s)) / interval_now);
  event.gap = {index,
               missing,
               GapKind::lost_lines,
               false,
               static_cast<std::uint64_t>(recent_[normal - 1].x) + 1,
               std::max(missing, static_cast<std::uint64_t>(bound))};
  shift_ += missing;
  fit_.insert_missing(static_cast<std::uint64_t>(recent_[normal].x), missing);
  std::erase_if(references_, [this](const Reference& r) { return r.burst + kBefore + kAfter > bursts_; });
  for (std::size_t i = normal; i < recent_.size(); ++i) recent_[i].x += static_cast<double>(missing);
  // A burst that lost its end lies between both levels and would look early now.
  const auto early_now = [&](const Point& p) { return late_by(p) < base - 0.5 * interval_now; };
  recent_.erase(std::remove_if(recent_.begin() + static_cast<std::ptrdiff_t>(normal), recent_.end(), early_now),
                recent_.end());
  burst_since_ = -HUGE_VAL;
  sink(event);
}

bool LineClock::look_for_rate(std::size_t points, Sink sink) {
  // Against what held before the window: the fit of now has followed the window already.
  const auto before = std::find_if(references_.rbegin(), references_.rend(),
                                   [this, points](const Reference& r) { return r.burst + points <= bursts_; });
  if (before == references_.rend() || recent_.size() < points) return false;
  const ClockEstimate* estimate = &before->estimate;
  const auto window = std::span(recent_).last(points);
  const double span = window.back().x - window.front().x;
  const double usual = std::max(estimate->envelope_s, estimate->jitter_s / 16);
  // Cheap first: the chord of a window that follows the clock stays within the strip.
  const double chord = (window.back().y - window.front().y) / span - estimate->interval_s;
  if (std::fabs(chord) * span < usual) return false;
  const auto line = fit_strip(window);
  if (!line || line->used * 10 < points * 8 || line->width > 1.5 * usual) return false;
  const double change = line->slope - estimate->interval_s;
  if (std::fabs(change) * span < 2 * usual || std::fabs(change) < kRateShare * estimate->interval_s) return false;
  const double unsure = line->slope_error + estimate->rate_error * estimate->interval_s;
  if (std::fabs(change) < 2 * unsure || !(line->slope > 0)) return false;
  // Lines lost in the middle tilt the whole window and one half of it at most; another rate tilts both.
  for (const auto half : {window.first(points / 2), window.last(points / 2)}) {
    const auto part = fit_strip(half);
    if (!part || (part->slope - estimate->interval_s) / change < kHalfShare) return false;
  }
  LineClockEvent event;
  event.kind = LineClockEvent::Kind::rate_change;
  event.change = {static_cast<std::uint64_t>(window.front().x), estimate->rate_hz, 1.0 / line->slope, 0};
  if (change > 0)
    event.change.could_hide = static_cast<std::uint64_t>(std::ceil(change * span / estimate->interval_s)) + 1;
  const std::vector<Point> kept(window.begin(), window.end());
  fit_.assign(kept, *epoch_);
  recent_ = kept;
  steps_.clear();
  references_.clear();
  late_peak_ = 0;
  sink(event);
  // The held lines are part of the window already; the clock has them.
  const std::uint64_t slot = released_;
  for (std::size_t i = 0; i < held_.size(); ++i) {
    LineClockEvent placed;
    placed.slot = slot + i;
    placed.index = slot + i + shift_;
    ++released_;
    sink(placed);
  }
  held_.clear();
  return true;
}

}  // namespace tml::stream
