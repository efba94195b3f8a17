// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a streaming board really did with each of its readings: the ground truth that a reader's account of losses is
// held against. Written as JSON, fields in docs/tml-board.md, "Streams".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tml::fw::native {

/// Numbers of readings as ranges. They come in ascending order; neighbours are merged.
class IndexRanges {
 public:
  struct Range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };
  static constexpr std::size_t kMaxRanges = 100'000;

  /// Readings `first` to `first + count - 1`. Beyond kMaxRanges they are only counted.
  void add(std::uint64_t first, std::uint64_t count);
  [[nodiscard]] std::uint64_t readings() const { return readings_; }
  [[nodiscard]] std::span<const Range> ranges() const { return ranges_; }
  [[nodiscard]] bool complete() const { return complete_; }

 private:
  std::vector<Range> ranges_;
  std::uint64_t readings_ = 0;
  bool complete_ = true;
};

/// From one start of the board to the next. Readings are numbered from 0 as `seq` does, without its wrap.
/// taken = sent + lost + damaged + dropped, in readings.
struct StreamSession {
  struct Stall {
    std::uint64_t before = 0;  ///< The reading that waited.
    double ms = 0;
  };
  static constexpr std::size_t kMaxStalls = 100'000;

  std::uint32_t sid = 0;
  std::string sensor;
  std::string source;
  std::vector<std::string> axes;
  double hz = 0;
  std::string form;
  std::uint64_t taken = 0;
  std::uint64_t sent = 0;  ///< Handed to the line as they should be.
  IndexRanges lost;        ///< Left out by the fault lose-line.
  IndexRanges damaged;     ///< Handed to the line damaged by the fault bad-line.
  IndexRanges dropped;     ///< The transmitter had no room for too long ("dr").
  std::vector<Stall> stalls;
  std::uint64_t stall_count = 0;
};

/// One JSON object without a line end, with at most `max_ranges` ranges and stalls of each kind.
[[nodiscard]] std::string stream_json(std::string_view event, unsigned board, const StreamSession& session,
                                      std::size_t max_ranges);

}  // namespace tml::fw::native
