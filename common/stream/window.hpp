// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Cuts samples out of a stream of readings: one after another with a rest between, back to back with overlap, or around
// a trigger with what came before it (docs/stream.md, "Windows").
//
// A window is a range of indices, so a missing reading leaves a hole and never shifts the rest. Memory is bounded: the
// last `length` readings plus the finished windows that nobody took yet (at most max_ready; then the oldest is dropped
// and counted). push() never waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "common/base/error.hpp"
#include "common/stream/trigger.hpp"
#include "common/stream/types.hpp"

namespace tml::stream {

struct Window {
  std::uint64_t first = 0;   ///< Index of the first place.
  std::uint64_t length = 0;  ///< Places, missing ones included.
  std::size_t axes = 0;
  std::vector<std::uint64_t> index;      ///< Of each row; increasing, within [first, first + length).
  std::vector<double> rows;              ///< Row-major, index.size() x axes.
  Time at{0};                            ///< When the first row was taken.
  std::optional<std::uint64_t> trigger;  ///< Index of the reading that fired.
  bool cut_short = false;                ///< finish() came before its end.
  [[nodiscard]] std::uint64_t received() const { return index.size(); }
};

struct CutSettings {
  enum class Mode : std::uint8_t { repeated, continuous, triggered };
  Mode mode = Mode::repeated;
  std::uint64_t length = 0;          ///< Readings per window; at least 1.
  std::uint64_t repeat = 1;          ///< Windows to take, 0 = until stopped. Not for continuous.
  std::uint64_t rest = 0;            ///< Readings between windows (repeated), or after one before it is armed again.
  std::uint64_t overlap = 0;         ///< Readings that neighbours share (continuous); less than length.
  std::uint64_t before_trigger = 0;  ///< Readings before the trigger in its window; less than length.
  std::optional<Trigger> trigger;    ///< For triggered.
  std::size_t max_ready = 16;
};

/// Readings in a length of time: at least 1, rounded to the nearest.
[[nodiscard]] std::uint64_t readings_in(double milliseconds, double rate_hz);

class WindowCutter {
 public:
  static constexpr std::uint64_t kMaxLength = 100'000'000;

  /// Errc::usage for settings that contradict themselves.
  [[nodiscard]] static Result<WindowCutter> create(CutSettings settings);

  /// Readings in order of index. A reading with another number of axes begins everything anew.
  void push(const Reading& reading);
  /// The stream is over, or broken (reboot, other rate): a window under way is handed out cut short when it has rows.
  void finish();
  [[nodiscard]] std::optional<Window> take();

  /// All windows asked for are complete.
  [[nodiscard]] bool done() const;
  [[nodiscard]] std::uint64_t finished() const { return finished_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }  ///< Complete, but not taken in time.
  [[nodiscard]] std::uint64_t empty() const { return empty_; }      ///< Windows in which not one reading arrived.
  /// Share of the window under way, 0 to 1; for a progress display.
  [[nodiscard]] double progress() const;

 private:
  explicit WindowCutter(CutSettings settings);
  void remember(const Reading& reading);
  void complete();
  void begin_next(std::uint64_t after);
  void hand_out(std::uint64_t end, bool cut_short);

  struct Row {
    std::uint64_t index = 0;
    Time at{0};
  };

  CutSettings settings_;
  std::deque<Row> rows_;
  std::deque<double> values_;
  std::size_t axes_ = 0;
  std::optional<std::uint64_t> start_;    // Of the window under way, or of the next one.
  std::optional<std::uint64_t> trigger_;  // Of the window under way.
  std::uint64_t armed_from_ = 0;          // Triggers before this index do not count.
  std::uint64_t last_ = 0;
  std::deque<Window> ready_;
  std::uint64_t finished_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t empty_ = 0;
};

/// Makes a window rectangular in time as the policy says: keep leaves it, interpolate fills the holes between two rows
/// on a straight line and holds the nearest row at the ends, reject is Errc::refused when a reading is missing.
[[nodiscard]] Result<Window> apply_policy(Window window, GapPolicy policy);

}  // namespace tml::stream
