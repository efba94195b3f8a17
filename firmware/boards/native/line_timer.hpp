// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One direction of a UART as a clock: when has how many of the queued bytes left the wire? Sans I/O, time is a
// parameter.
//
// A byte takes 10 bit times (8N1: start, 8 data, stop). The account is by elapsed time, so that a process that wakes
// late catches up: bytes that the sender supplies in the very pass in which the line ran dry count as supplied in time.
// Catching up is bounded: it runs at four times the rate with at most 4 ms worth of bytes at once, and more than 100 ms
// of arrears are forgotten, so that a stall of this process does not overrun a host that reads in time.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tml::fw::native {

class LineTimer {
 public:
  using Time = std::chrono::nanoseconds;

  /// 0 bits per second = no model: every byte is due at once.
  explicit LineTimer(std::uint32_t bits_per_second) : rate_(bits_per_second) {}

  /// The line is idle and goes on at another rate.
  void set_rate(std::uint32_t bits_per_second) { *this = LineTimer(bits_per_second); }
  [[nodiscard]] std::uint32_t rate() const { return rate_; }

  /// How many of `queued` bytes have left by `now`; takes their time off the account. The caller removes them from its
  /// queue. Calls with the same `now` are one pass.
  [[nodiscard]] std::size_t take(Time now, std::size_t queued);

  /// When the first `count` (> 0) of the bytes queued now will have left.
  [[nodiscard]] Time due(std::size_t count) const;

  /// Nothing leaves before `until`.
  void stall(Time until);

 private:
  [[nodiscard]] Time after(std::uint64_t count) const;
  void idle_until(Time now);

  std::uint32_t rate_;
  Time anchor_{0};          // the time from which done_ bytes are counted
  std::uint64_t done_ = 0;  // bytes since anchor_; kept below rate_, hence exact in 64 bits
  Time pass_{0};            // `now` of the last take(); calls with one `now` are one pass of the caller's loop
  Time previous_pass_{0};
  double credit_ = 0;        // bytes that may be handed out now: the bound on catching up
  bool queue_empty_ = true;  // as of the end of the last take()
};

}  // namespace tml::fw::native
