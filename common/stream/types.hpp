// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Words that the parts of common/stream share: readings, gaps, policies. Everything here is sans-I/O: bytes and arrival
// times go in, readings and events come out; no threads, no clock of its own. Objects are not thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/wire/bytes.hpp"

namespace tml::stream {

/// Axes of one reading; also the limit of acquisition documents (wire reference 6.7).
inline constexpr std::size_t kMaxAxes = 20;

/// Monotonic time since an arbitrary start (Clock::steady()).
using Time = std::chrono::nanoseconds;

/// Seconds between two moments.
[[nodiscard]] constexpr double seconds_between(Time from, Time to) {
  return std::chrono::duration<double>(to - from).count();
}
[[nodiscard]] constexpr Time from_seconds(double seconds) { return Time(static_cast<std::int64_t>(seconds * 1e9)); }

/// The numbers of one reading.
struct Values {
  std::array<double, kMaxAxes> data{};
  std::uint8_t count = 0;
  [[nodiscard]] std::span<const double> view() const { return std::span(data).first(count); }
  /// False when it is full.
  bool append(double value) {
    if (count == kMaxAxes) return false;
    data[count++] = value;
    return true;
  }
};

/// A reading at its place: `index` counts the readings that the board took, lost ones included.
struct Reading {
  std::uint64_t index = 0;
  Time at{0};  ///< When the board took it, by the fitted clock, on the host's time line.
  Values values;
};

enum class GapKind : std::uint8_t {
  lost_lines,   ///< Text lines that never arrived; found by the fitted clock.
  bad_line,     ///< A line arrived and was damaged.
  lost_frames,  ///< A jump of `seq`.
};
[[nodiscard]] std::string_view gap_kind_name(GapKind kind);

/// Readings that are not there.
struct Gap {
  std::uint64_t first = 0;  ///< Index of the first missing reading.
  std::uint64_t count = 0;
  GapKind kind = GapKind::lost_lines;
  /// False: count and place are the likeliest; the loss lies in [earliest, first] and is at most `upper_bound`.
  bool resolved = true;
  std::uint64_t earliest = 0;
  std::uint64_t upper_bound = 0;
  friend bool operator==(const Gap&, const Gap&) = default;
};

/// What a sample does about readings that are missing.
enum class GapPolicy : std::uint8_t {
  keep,         ///< Rows that are missing stay out; the metadata names them.
  interpolate,  ///< Missing rows are put in on the straight line between their neighbours; the metadata names them.
  reject,       ///< A sample with a gap is refused.
};
[[nodiscard]] std::string_view gap_policy_name(GapPolicy policy);

}  // namespace tml::stream
