// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The small parts of the hardware abstraction: two clocks, the kernel's randomness, and the board's name plate.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <span>
#include <string>

#include "common/base/clock.hpp"
#include "common/base/random.hpp"
#include "firmware/hal/clock.hpp"
#include "firmware/hal/random.hpp"
#include "firmware/hal/system.hpp"

namespace tml::fw::native {

/// Wire time is the host's; device time runs `speed` times faster. While the firmware waits for its flash
/// (flash_model.hpp) the clock is ahead: it shows the time at which the firmware will go on.
class BoardClock final : public hal::Clock {
 public:
  BoardClock(const tml::Clock& clock, double speed) : BoardClock(clock, speed, clock.steady()) {}
  /// One that was started at `start`, by `clock`.
  BoardClock(const tml::Clock& clock, double speed, std::chrono::nanoseconds start)
      : clock_(clock), start_(start), speed_(speed) {}

  [[nodiscard]] std::chrono::nanoseconds start() const { return start_; }
  /// The firmware stands still for this much longer. Returns until when, by `clock`.
  std::chrono::nanoseconds stand_still(std::chrono::nanoseconds time) {
    still_until_ = std::max(still_until_, clock_.steady()) + time;
    return still_until_;
  }
  [[nodiscard]] std::chrono::nanoseconds still_until() const { return still_until_; }

  [[nodiscard]] std::uint64_t wire_us() const override {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(std::max(still_until_, clock_.steady()) - start_)
            .count());
  }
  [[nodiscard]] std::uint64_t device_us() const override {
    return static_cast<std::uint64_t>(static_cast<double>(wire_us()) * speed_);
  }
  [[nodiscard]] std::uint64_t wire_delay_us(std::uint64_t device_delay_us) const override {
    return static_cast<std::uint64_t>(std::ceil(static_cast<double>(device_delay_us) / speed_));
  }
  /// CPU time of the calling thread in ns.
  [[nodiscard]] std::uint32_t work() const override {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
                                      static_cast<std::uint64_t>(now.tv_nsec));
  }

 private:
  const tml::Clock& clock_;
  std::chrono::nanoseconds start_;
  std::chrono::nanoseconds still_until_{0};
  double speed_;
};

/// Never seeded: a nonce must not come twice, not even in a repeated test over the same state.
class BoardRandom final : public hal::Random {
 public:
  void fill(std::span<std::uint8_t> into) override { system_random().fill(std::as_writable_bytes(into)); }
};

class BoardSystem final : public hal::System {
 public:
  BoardSystem(std::string id, std::uint32_t default_baud, std::uint32_t transfer_baud);
  /// What the application that starts next says of itself.
  void set_firmware_version(std::string version);
  [[nodiscard]] const hal::SystemInfo& info() const override { return info_; }
  /// The board resets when it sees App::finished().
  void reset() override {}

 private:
  std::string id_;
  std::string firmware_version_;
  hal::SystemInfo info_;
};

}  // namespace tml::fw::native
