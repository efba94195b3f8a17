// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Faults on purpose: what `--fault SPEC` says, and its effect on a stream of bytes. Grammar and examples:
// docs/tml-board.md, "Faults".
//
//   SPEC     = item *("," item)
//   item     = [("tx." / "rx.")] ("drop" / "corrupt" / "flip" / "dup") "=" PROBABILITY
//            / [("tx." / "rx.")] "delay" "=" PROBABILITY ":" DURATION
//            / ("lose-line" / "bad-line") "=" PROBABILITY
//            / "stall" "=" PROBABILITY ":" DURATION
//            / "unplug" "=" WHEN ":" DURATION
//            / "reset" "=" WHEN
//            / "flash-bad" "=" OFFSET                   decimal, or hexadecimal with 0x
//   WHEN     = ("at:" / "every:") DURATION
//   DURATION = NUMBER ("us" / "ms" / "s" / "min")
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/random.hpp"

namespace tml::fw::native {

/// Probabilities per byte, each in [0, 1].
struct ByteFaults {
  double drop = 0;
  double corrupt = 0;  ///< The byte is replaced by another one.
  double flip = 0;     ///< One of its bits is turned over.
  double dup = 0;
  double delay = 0;  ///< The line stands still for delay_for after the byte.
  std::chrono::nanoseconds delay_for{0};
};

/// Of a board that streams from power-up (stream_profile.hpp). Probabilities per line or frame, each in [0, 1].
struct ReadingFaults {
  double lose = 0;   ///< It is not sent; its readings keep their numbers.
  double bad = 0;    ///< One byte of it is damaged, not its end.
  double stall = 0;  ///< Behind it the output pauses for stall_for while sampling goes on.
  std::chrono::nanoseconds stall_for{0};
  [[nodiscard]] bool any() const { return lose > 0 || bad > 0 || stall > 0; }
};

struct TimedFault {
  enum class Kind : std::uint8_t { unplug, reset };
  Kind kind = Kind::reset;
  std::chrono::nanoseconds first{0};   ///< Wire time since the board started.
  std::chrono::nanoseconds period{0};  ///< 0 = once.
  std::chrono::nanoseconds down{0};    ///< unplug: until it is plugged in again.
};

struct FaultPlan {
  ByteFaults tx;  ///< Board to host.
  ByteFaults rx;  ///< Host to board.
  ReadingFaults readings;
  std::vector<TimedFault> timed;
  std::vector<std::uint32_t> bad_sectors;  ///< Start offsets of flash sectors that fail to program and to erase.
};

/// "20s", "50ms", "300us", "2min"; nothing for anything else, and beyond a year.
[[nodiscard]] std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

/// Errc::usage naming the item that is wrong and what would be right.
[[nodiscard]] Result<FaultPlan> parse_fault_spec(std::string_view spec);

struct ByteFaultCounts {
  std::uint64_t dropped = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t flipped = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t delayed = 0;
  [[nodiscard]] std::uint64_t total() const { return dropped + corrupted + flipped + duplicated + delayed; }
};

/// Applies ByteFaults to one direction. What happens to the n-th byte depends on the seed and n alone; each kind of
/// fault has its own sequence, so that adding one leaves the others where they were.
class ByteFaultInjector {
 public:
  struct Outcome {
    std::array<std::uint8_t, 2> bytes{};
    std::size_t count = 0;
    bool delayed = false;
  };

  ByteFaultInjector(const ByteFaults& faults, std::uint64_t seed);
  [[nodiscard]] Outcome apply(std::uint8_t byte);
  /// Goes on where another injector of the same faults and seed had applied them to `bytes` bytes and counted `counts`.
  void resume(std::uint64_t bytes, const ByteFaultCounts& counts);
  /// Bytes so far.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const ByteFaultCounts& counts() const { return counts_; }
  [[nodiscard]] std::chrono::nanoseconds delay_for() const { return faults_.delay_for; }

 private:
  ByteFaults faults_;
  SeededRandom drop_;
  SeededRandom corrupt_;
  SeededRandom flip_;
  SeededRandom dup_;
  SeededRandom delay_;
  ByteFaultCounts counts_;
  std::uint64_t bytes_ = 0;
};

/// The timed faults of a plan as a queue of events. Sans I/O.
class FaultSchedule {
 public:
  enum class Event : std::uint8_t { unplug, replug, reset };
  static constexpr std::chrono::nanoseconds kNever = std::chrono::nanoseconds::max();

  explicit FaultSchedule(std::span<const TimedFault> faults);
  /// When the next event is due, in the time that TimedFault counts in; kNever if there is none.
  [[nodiscard]] std::chrono::nanoseconds next() const;
  /// Takes the next event off. Call only when next() has come.
  Event pop();
  /// Events taken off so far.
  [[nodiscard]] std::uint64_t popped() const { return popped_; }

 private:
  struct Entry {
    std::chrono::nanoseconds at;
    Event event;
    TimedFault fault;
  };
  [[nodiscard]] std::size_t earliest() const;
  std::vector<Entry> entries_;
  std::uint64_t popped_ = 0;
};

}  // namespace tml::fw::native
