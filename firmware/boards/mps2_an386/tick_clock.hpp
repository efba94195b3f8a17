// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Timer 0 counts time, timer 1 ends a sleep.
#pragma once

#include <cstdint>

#include "firmware/hal/clock.hpp"

namespace tml::fw::mps2 {

/// The handler of the timer that ends a sleep.
void on_timer1();

class TickClock : public hal::Clock {
 public:
  /// Longest sleep: the 25 MHz counter of 32 bits wraps after 171 s and has to be looked at before.
  static constexpr std::uint64_t kMaxSleepUs = 60'000'000;

  void start();

  [[nodiscard]] std::uint64_t wire_us() const override;
  /// Nanoseconds of the virtual machine in steps of 40, which are instructions when QEMU runs with -icount shift=0.
  [[nodiscard]] std::uint32_t work() const override;

  /// Makes an interrupt in `delay_us`, at most kMaxSleepUs; an earlier one that is pending is forgotten.
  void wake_in(std::uint64_t delay_us);

 private:
  mutable std::uint32_t last_ = 0;  // ticks at the last look
  mutable std::uint32_t rest_ = 0;  // ticks of the microsecond that is not over
  mutable std::uint64_t us_ = 0;
};

}  // namespace tml::fw::mps2
