// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The flash as the update engine uses it: programs that are split at pages and read back, and a count of what was done
// and how long it took.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "firmware/hal/clock.hpp"
#include "firmware/hal/flash.hpp"

namespace tml::fw::update {

/// One thread. Owns nothing.
class TimedFlash {
 public:
  TimedFlash(hal::Flash& flash, hal::Clock& clock) : flash_(flash), clock_(clock) {}

  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into);
  /// Any range, one page per operation, ascending. True when every byte then reads as `bytes`; false as soon as the
  /// driver refuses or a page reads otherwise (a prefix may have been programmed).
  [[nodiscard]] bool program(std::uint32_t offset, std::span<const std::uint8_t> bytes);
  /// The sector of 4096 bytes at `offset`. Not looked at afterwards: blank looks prove nothing.
  [[nodiscard]] bool erase(std::uint32_t offset);

  /// Since new_session(), or the start.
  [[nodiscard]] std::uint32_t erases() const { return erases_; }
  void new_session() { erases_ = 0; }
  /// Longest operation of the last 4 to 8 seconds, in milliseconds, rounded up; 0 = none took measurable time.
  [[nodiscard]] std::uint16_t longest_ms() const;

 private:
  static constexpr std::uint64_t kPeriodUs = 4'000'000;
  void note(std::uint64_t started_us);

  hal::Flash& flash_;
  hal::Clock& clock_;
  std::uint32_t erases_ = 0;
  std::uint64_t period_us_ = 0;       ///< When the present period began.
  std::uint32_t longest_us_ = 0;      ///< Of the present period.
  std::uint32_t longest_before_ = 0;  ///< Of the one before.
};

}  // namespace tml::fw::update
