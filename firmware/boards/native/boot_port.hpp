// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Mailbox, watchdog and reset of the virtual board. What bootloader and application ask for is noted here; the board
// (board.hpp) looks after each of their steps and does it.
#pragma once

#include <chrono>
#include <optional>

#include "common/base/clock.hpp"
#include "firmware/hal/boot.hpp"

namespace tml::fw::native {

/// One thread. `clock` outlives it.
class BootPort final : public hal::BootPort {
 public:
  using Reason = wire::flash::BootReason;
  static constexpr std::chrono::nanoseconds kNever = std::chrono::nanoseconds::max();

  struct Start {
    std::uint8_t slot = wire::flash::kNoSlot;
    std::uint32_t offset = 0;
  };

  explicit BootPort(const Clock& clock) : clock_(clock) {}

  [[nodiscard]] Reason reason() const override { return reason_; }
  [[nodiscard]] bool take_stay_request() override { return std::exchange(stay_, false); }
  void ask_to_stay() override { stay_ = true; }
  void reset(Reason reason) override {
    if (!reset_) reset_ = reason;
  }
  void arm_watchdog(std::uint32_t ms) override {
    period_ = std::chrono::milliseconds(ms);
    feed_watchdog();
  }
  void feed_watchdog() override { due_ = period_.count() == 0 ? kNever : clock_.steady() + period_; }
  void start_application(std::uint8_t slot, std::uint32_t flash_offset) override { start_ = Start{slot, flash_offset}; }

  // ---- the board's side ----
  [[nodiscard]] const std::optional<Reason>& reset_asked() const { return reset_; }
  [[nodiscard]] const std::optional<Start>& start_asked() const { return start_; }
  /// When the watchdog bites; kNever while it is off.
  [[nodiscard]] std::chrono::nanoseconds watchdog_due() const { return due_; }
  [[nodiscard]] bool stay_asked() const { return stay_; }
  /// The processor begins again: nothing is asked for, the watchdog is off, the mailbox is as it was.
  void begin(Reason reason) {
    reason_ = reason;
    reset_.reset();
    start_.reset();
    period_ = {};
    due_ = kNever;
  }

 private:
  const Clock& clock_;
  Reason reason_ = Reason::power;
  bool stay_ = false;
  std::optional<Reason> reset_;
  std::optional<Start> start_;
  std::chrono::nanoseconds period_{0};
  std::chrono::nanoseconds due_ = kNever;
};

[[nodiscard]] constexpr std::string_view name(wire::flash::BootReason reason) {
  constexpr std::array<std::string_view, 5> kNames{"power", "request", "watchdog", "fault", "update"};
  const auto index = static_cast<std::size_t>(reason);
  return index < kNames.size() ? kNames[index] : "unknown";
}

}  // namespace tml::fw::native
