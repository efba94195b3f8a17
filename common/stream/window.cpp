// SPDX-License-Identifier: Apache-2.0
#include "common/stream/window.hpp"

#include <algorithm>
#include <cmath>

namespace tml::stream {

std::uint64_t readings_in(double milliseconds, double rate_hz) {
  const double count = std::round(milliseconds * rate_hz / 1000.0);
  if (!(count >= 1)) return 1;
  return static_cast<std::uint64_t>(std::min(count, static_cast<double>(WindowCutter::kMaxLength)));
}

Result<WindowCutter> WindowCutter::create(CutSettings settings) {
  if (settings.length == 0 || settings.length > kMaxLength)
    return fail(Errc::usage, "a window has 1 to " + std::to_string(kMaxLength) + " readings");
  if (settings.overlap >= settings.length) return fail(Errc::usage, "the overlap must be shorter than the window");
  if (settings.before_trigger >= settings.length)
    return fail(Errc::usage, "the time before the trigger must be shorter than the window");
  const bool triggered = settings.mode == CutSettings::Mode::triggered;
  if (triggered != settings.trigger.has_value())
    return fail(Errc::usage, triggered ? "a triggered capture needs a trigger" : "a trigger needs a triggered capture");
  if (settings.max_ready == 0) return fail(Errc::usage, "at least one window must have room");
  return WindowCutter(std::move(settings));
}

WindowCutter::WindowCutter(CutSettings settings) : settings_(std::move(settings)) {}

bool WindowCutter::done() const {
  return settings_.mode != CutSettings::Mode::continuous && settings_.repeat > 0 && finished_ >= settings_.repeat;
}

double WindowCutter::progress() const {
  if (!start_ || last_ < *start_) return 0;
  return std::min(1.0, static_cast<double>(last_ - *start_ + 1) / static_cast<double>(settings_.length));
}

void WindowCutter::remember(const Reading& reading) {
  rows_.push_back({reading.index, reading.at});
  const auto view = reading.values.view();
  values_.insert(values_.end(), view.begin(), view.end());
  while (rows_.size() > settings_.length) {
    rows_.pop_front();
    values_.erase(values_.begin(), values_.begin() + static_cast<std::ptrdiff_t>(axes_));
  }
}

void WindowCutter::push(const Reading& reading) {
  if (done()) return;
  if (reading.values.count != axes_) {
    if (axes_ != 0) finish();
    if (done()) return;
    axes_ = reading.values.count;
    if (axes_ == 0) return;
  }
  // Windows that end before this reading are complete, holes at their end and all.
  while (start_ && reading.index >= *start_ + settings_.length && !done()) {
    const bool any = last_ >= *start_ && !rows_.empty() && rows_.back().index >= *start_;
    if (any) {
      complete();
      continue;
    }
    // A hole longer than a window: go on with the first window that this reading is in.
    const std::uint64_t stride = settings_.mode == CutSettings::Mode::continuous ? settings_.length - settings_.overlap
                                                                                 : settings_.length + settings_.rest;
    const std::uint64_t skip = (reading.index - *start_ - settings_.length) / stride + 1;
    empty_ += skip;
    *start_ += skip * stride;
  }
  if (done()) return;
  last_ = reading.index;
  remember(reading);
  if (!start_) {
    if (settings_.mode != CutSettings::Mode::triggered) {
      start_ = reading.index;
    } else if (reading.index >= armed_from_ && settings_.trigger->fires(reading.values.view())) {
      trigger_ = reading.index;
      // What came before the first reading of all cannot be had.
      const std::uint64_t oldest = std::max(rows_.front().index, armed_from_);
      const std::uint64_t wanted = reading.index - std::min(reading.index, settings_.before_trigger);
      start_ = std::max(wanted, std::min(oldest, reading.index));
    }
  }
  if (start_ && reading.index + 1 >= *start_ + settings_.length) complete();
}

void WindowCutter::complete() {
  const std::uint64_t end = *start_ + settings_.length;
  hand_out(end, false);
  begin_next(end);
}

void WindowCutter::begin_next(std::uint64_t after) {
  trigger_.reset();
  switch (settings_.mode) {
    case CutSettings::Mode::repeated:
      start_ = after + settings_.rest;
      break;
    case CutSettings::Mode::continuous:
      start_ = after - settings_.overlap;
      break;
    case CutSettings::Mode::triggered:
      start_.reset();
      armed_from_ = after + settings_.rest;
      break;
  }
}

void WindowCutter::hand_out(std::uint64_t end, bool cut_short) {
  Window window;
  window.first = *start_;
  window.length = end - *start_;
  window.axes = axes_;
  window.trigger = trigger_;
  window.cut_short = cut_short;
  const auto from =
      std::partition_point(rows_.begin(), rows_.end(), [this](const Row& r) { return r.index < *start_; });
  const auto to = std::partition_point(from, rows_.end(), [end](const Row& r) { return r.index < end; });
  if (from == to) {
    ++empty_;
    return;
  }
  window.at = from->at;
  window.index.reserve(static_cast<std::size_t>(to - from));
  for (auto it = from; it != to; ++it) window.index.push_back(it->index);
  const auto axes = static_cast<std::ptrdiff_t>(axes_);
  window.rows.assign(values_.begin() + (from - rows_.begin()) * axes, values_.begin() + (to - rows_.begin()) * axes);
  ready_.push_back(std::move(window));
  ++finished_;
  if (ready_.size() > settings_.max_ready) {
    ready_.pop_front();
    ++dropped_;
  }
}

void WindowCutter::finish() {
  if (start_ && !rows_.empty() && last_ >= *start_ && !done()) {
    hand_out(std::min(last_ + 1, *start_ + settings_.length), last_ + 1 < *start_ + settings_.length);
  }
  start_.reset();
  trigger_.reset();
  rows_.clear();
  values_.clear();
  axes_ = 0;
  armed_from_ = 0;
}

std::optional<Window> WindowCutter::take() {
  if (ready_.empty()) return std::nullopt;
  Window window = std::move(ready_.front());
  ready_.pop_front();
  return window;
}

Result<Window> apply_policy(Window window, GapPolicy policy) {
  const std::uint64_t missing = window.length - window.received();
  if (missing == 0 || policy == GapPolicy::keep) return window;
  if (policy == GapPolicy::reject) {
    return fail(Errc::refused,
                std::to_string(missing) + " of " + std::to_string(window.length) + " readings are missing", "sample",
                "Use --on-gap keep or interpolate to store it all the same.");
  }
  if (window.index.empty()) return fail(Errc::refused, "not one reading arrived", "sample");
  Window full = window;
  full.index.clear();
  full.rows.clear();
  full.rows.reserve(static_cast<std::size_t>(window.length) * window.axes);
  std::size_t next = 0;  // First row at or behind the place.
  for (std::uint64_t place = window.first; place < window.first + window.length; ++place) {
    while (next < window.index.size() && window.index[next] < place) ++next;
    const std::size_t right = std::min(next, window.index.size() - 1);
    const std::size_t left = window.index[right] <= place || right == 0 ? right : right - 1;
    const auto distance = static_cast<double>(window.index[right] - window.index[left]);
    const double share = distance > 0 ? static_cast<double>(place - window.index[left]) / distance : 0;
    for (std::size_t axis = 0; axis < window.axes; ++axis) {
      const double a = window.rows[left * window.axes + axis];
      const double b = window.rows[right * window.axes + axis];
      full.rows.push_back(a + (b - a) * share);
    }
    full.index.push_back(place);
  }
  return full;
}

}  // namespace tml::stream
