// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What became of every reading between two indices: received, or missing and where (docs/stream.md, "The account").
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "common/stream/clock_fit.hpp"
#include "common/stream/types.hpp"

namespace tml::stream {

struct Account {
  std::uint64_t expected = 0;  ///< received + missing.
  std::uint64_t received = 0;
  std::uint64_t missing = 0;
  std::vector<Gap> gaps;               ///< Positions relative to the first index asked for; at most Ledger::kMaxGaps.
  std::uint64_t gaps_left_out = 0;     ///< Further gaps; they are in `missing` all the same.
  std::uint64_t unresolved = 0;        ///< Of `missing`, those whose count or place is an estimate ...
  std::uint64_t unresolved_bound = 0;  ///< ... and how many could be missing at most instead of `unresolved`.
  std::uint64_t board_drops = 0;       ///< Readings that the board itself dropped before it numbered them.
  std::uint64_t bad_lines = 0;         ///< Damaged lines or frames, as readings' places (also in `missing` for lines).
  std::uint64_t stalls = 0;
  double longest_stall_s = 0;
  std::uint64_t rate_changes = 0;
  std::uint64_t reboots = 0;
  double rate_hz = 0;
  double rate_error = 0;  ///< Relative.
  double jitter_s = 0;
  double drift_ppm = 0;
  GapPolicy policy = GapPolicy::keep;
  /// received + missing == expected and every gap inside; false would be a bug.
  [[nodiscard]] bool consistent() const;
};

/// For `x-metadata`: string keys and values, "readings_expected" and so on (docs/stream.md lists them). Positions are
/// written as "12-14,90"; longer lists end in " +N more".
[[nodiscard]] std::map<std::string, std::string> metadata(const Account& account);
inline constexpr std::size_t kMaxPositionsText = 512;

/// Keeps the gaps and notes of the recent past, so that a window of it can be accounted for. Totals never forget.
class Ledger {
 public:
  static constexpr std::size_t kMaxGaps = 4096;

  void gap(const Gap& gap);
  void received(std::uint64_t index);
  struct Note {
    enum class Kind : std::uint8_t { board_drops, bad, stall, rate_change, reboot };
    Kind kind = Kind::bad;
    std::uint64_t index = 0;
    std::uint64_t count = 1;
    double seconds = 0;
    std::uint64_t could_hide = 0;  ///< Joins unresolved_bound.
  };
  void note(const Note& note);
  /// What is known of indices [first, end), with the clock's figures. `received` is counted by the caller who has them.
  [[nodiscard]] Account account(std::uint64_t first, std::uint64_t end, std::uint64_t received, const ClockFit& clock,
                                GapPolicy policy) const;
  /// Everything so far.
  [[nodiscard]] Account total(const ClockFit& clock) const;
  /// Gaps that touch [first, end), clipped to it and in order.
  [[nodiscard]] std::vector<Gap> gaps(std::uint64_t first, std::uint64_t end) const;

 private:
  std::deque<Gap> gaps_;
  std::deque<Note> notes_;
  std::uint64_t gaps_forgotten_ = 0;
  Account total_;
};

}  // namespace tml::stream
