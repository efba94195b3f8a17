// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Gives each text line its place among the readings that the board took (docs/stream.md, "Lines that never arrived").
//
// Lines carry no number, so a missing one shows only in time: every later line is late by one interval, for good. A
// stall of the host makes lines late for a while, and a rate that changed makes them later and later (or earlier and
// earlier). So a line that is late is held back until what follows tells which it was; lines that are in time pass at
// once. Where the interval exceeds twice the burst jitter, count and place of a loss are exact; below, they are the
// likeliest ones, found from how early the earliest arrivals are, and marked `unresolved` with an upper bound.
//
// Before the clock is learnt (kLearnSlots lines and kLearn_s) every line is held. Memory: the lines held (at most
// kMaxHeld) and a few hundred points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "common/stream/clock_fit.hpp"
#include "common/stream/types.hpp"
#include "common/wire/bytes.hpp"

namespace tml::stream {

struct Stall {
  std::uint64_t index = 0;  ///< First reading that came late.
  double seconds = 0;
};

struct RateChange {
  std::uint64_t index = 0;  ///< About here.
  double old_hz = 0;
  double new_hz = 0;
  std::uint64_t could_hide = 0;  ///< If it was none but a loss: so many lines at most.
};

struct LineClockEvent {
  enum class Kind : std::uint8_t {
    placed,       ///< Line `slot` is reading `index`. Slots come in order, each once.
    gap,          ///< `gap`; comes before the line behind it is placed.
    stall,        ///< `stall`: lines came late, none is missing.
    rate_change,  ///< `change`: the fit starts anew.
  };
  Kind kind = Kind::placed;
  std::uint64_t slot = 0;
  std::uint64_t index = 0;
  Gap gap;
  Stall stall;
  RateChange change;
};

class LineClock {
 public:
  using Sink = wire::FunctionRef<void(const LineClockEvent&)>;

  static constexpr std::size_t kLearnSlots = 8;
  static constexpr double kLearn_s = 1.0;
  static constexpr std::size_t kMaxHeld = 200'000;
  static constexpr std::size_t kDecide = 8;  ///< Late arrivals in a row that tell a loss from a stall.
  static constexpr double kDecide_s = 0.1;   ///< ... and for at least so long.
  /// Losses are told line by line at intervals above this: kRecent lines must span well more than kDecide_s.
  static constexpr double kLeastExact_s = 0.0032;
  static constexpr std::size_t kRatePoints = 16;  ///< Arrivals that tell another rate.
  static constexpr std::size_t kRecent = 64;

  /// A line that stands where a reading should stand (a reading or a damaged line); numbered from 0 in the order of the
  /// calls.
  void add(Time arrival);
  /// Call once after the lines of one read were added: places what can be placed.
  void settle(Sink sink);
  /// The stream is over: places the rest.
  void finish(Sink sink);

  [[nodiscard]] const ClockFit& clock() const { return fit_; }
  [[nodiscard]] ClockFit& clock() { return fit_; }
  /// Losses are exact: the interval exceeds twice the burst jitter.
  [[nodiscard]] bool resolvable() const { return resolvable_; }
  /// What a loss of one place may hide at most without being seen; 0 where losses are exact.
  [[nodiscard]] std::uint64_t hidden_bound() const;
  [[nodiscard]] std::uint64_t next_index() const { return released_ + shift_; }

 private:
  struct Slot {
    double y = 0;
  };

  struct Reference {
    std::size_t burst = 0;
    ClockEstimate estimate;
  };

  void learn(Sink sink, bool final);
  void evaluate(Sink sink, bool final);
  void look_for_loss(Sink sink, bool final);
  void look_for_step(Sink sink);
  bool look_for_rate(std::size_t points, Sink sink);
  void release_to(double x, Sink sink);
  void trim();
  [[nodiscard]] double interval() const;
  [[nodiscard]] double lateness(const Point& p) const { return p.y - p.x * interval(); }
  [[nodiscard]] double least_late(std::size_t from, std::size_t to) const { return least_late(from, to, interval()); }
  [[nodiscard]] double least_late(std::size_t from, std::size_t to, double interval) const;

  ClockFit fit_;
  std::optional<Time> epoch_;
  std::deque<Slot> held_;  // Lines added and not yet placed; the first is number released_.
  std::uint64_t released_ = 0;
  std::uint64_t shift_ = 0;    // Lines known to be missing before the next one placed.
  std::vector<Point> recent_;  // Last arrival of each burst, x = index as far as known.
  double burst_since_ = 0;
  bool learnt_ = false;
  bool changed_ = false;  // Lines came since the last evaluation.
  bool new_burst_ = false;
  bool resolvable_ = false;
  double late_peak_ = 0;  // While lines are late.
  std::uint64_t late_index_ = 0;
  std::optional<std::uint64_t> unsure_from_;  // Lines that came in one burst while late, from here on.
  std::deque<double> steps_;                  // How much the least lateness usually moves from one window to the next.
  std::size_t bursts_ = 0;
  std::uint64_t wraps_ = 0;           // Steps of one line that a beat with the bridge's timer explains.
  std::size_t wrapped_ = 0;           // The burst at which the last of them was seen.
  std::deque<Reference> references_;  // Estimates of a while ago, against which a change of rate shows.
  double noise_ = 0;
};

}  // namespace tml::stream
