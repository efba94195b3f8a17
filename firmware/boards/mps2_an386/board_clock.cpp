// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/board_clock.hpp"

#include <algorithm>
#include <cmath>

#include "firmware/boards/mps2_an386/registers.hpp"

namespace tml::fw::mps2 {
namespace {

constexpr std::uint32_t kTicksPerUs = kCoreHz / 1'000'000;
constexpr std::uint32_t kLongest = UINT32_MAX;

std::uint32_t ticks() { return kLongest - timer0().value; }

}  // namespace

void on_timer1() {
  timer1().interrupts = 1;
  timer1().control = 0;
}

void BoardClock::start(double speed) {
  speed_ = speed;
  timer0().reload = kLongest;
  timer0().value = kLongest;
  timer0().control = kTimerRun;
  enable_interrupt(kTimer1Irq);
}

std::uint64_t BoardClock::wire_us() const {
  const std::uint32_t now = ticks();
  if (now < last_) ++wraps_;
  last_ = now;
  // The counter passes through 2^32 - 1 and its reload: a round has 2^32 ticks.
  return ((wraps_ << 32U) + now) / kTicksPerUs;
}

std::uint64_t BoardClock::device_us() const {
  const std::uint64_t now = wire_us();
  return speed_ == 1 ? now : static_cast<std::uint64_t>(static_cast<double>(now) * speed_);
}

std::uint64_t BoardClock::wire_delay_us(std::uint64_t device_delay_us) const {
  if (speed_ == 1) return device_delay_us;
  return static_cast<std::uint64_t>(std::ceil(static_cast<double>(device_delay_us) / speed_));
}

std::uint32_t BoardClock::work() const { return ticks() * kNsPerTick; }

void BoardClock::wake_in(std::uint64_t delay_us) {
  const auto delay = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(delay_us, 1, kMaxSleepUs)) * kTicksPerUs;
  timer1().control = 0;
  timer1().interrupts = 1;
  timer1().reload = delay;
  timer1().value = delay;
  timer1().control = kTimerRun | kTimerInterrupt;
}

}  // namespace tml::fw::mps2
