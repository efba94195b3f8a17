// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Time as a parameter. Everything that asks for the time takes a Clock&, so that a test can turn it by hand.
// Thread-safe: both functions may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>

namespace tml {

using Millis = std::chrono::milliseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  /// Monotonic time since an arbitrary start; for intervals and deadlines.
  [[nodiscard]] virtual std::chrono::nanoseconds steady() const = 0;
  /// Milliseconds since 1970-01-01 UTC; for records only, never for intervals.
  [[nodiscard]] virtual std::int64_t unix_ms() const = 0;
};

/// The machine's own clocks (CLOCK_MONOTONIC and CLOCK_REALTIME).
[[nodiscard]] Clock& system_clock();

/// A clock that stands still until it is moved; for tests.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::nanoseconds steady() const override { return now_; }
  [[nodiscard]] std::int64_t unix_ms() const override {
    return epoch_ms_ + std::chrono::duration_cast<Millis>(now_).count();
  }
  void advance(std::chrono::nanoseconds by) { now_ += by; }

 private:
  std::chrono::nanoseconds now_{0};
  std::int64_t epoch_ms_ = 1'600'000'000'000;
};

}  // namespace tml
