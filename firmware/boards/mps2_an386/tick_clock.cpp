// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/tick_clock.hpp"

#include <algorithm>

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

void TickClock::start() {
  timer0().reload = kLongest;
  timer0().value = kLongest;
  timer0().control = kTimerRun;
  enable_interrupt(kTimer1Irq);
}

std::uint64_t TickClock::wire_us() const {
  const std::uint32_t now = ticks();
  // The counter passes through 2^32 - 1 and its reload: a round has 2^32 ticks. No division of 64 bits, which takes
  // 700 bytes of a bootloader.
  const std::uint32_t passed = now - last_;
  last_ = now;
  rest_ += passed % kTicksPerUs;
  us_ += passed / kTicksPerUs + rest_ / kTicksPerUs;
  rest_ %= kTicksPerUs;
  return us_;
}

std::uint32_t TickClock::work() const { return ticks() * kNsPerTick; }

void TickClock::wake_in(std::uint64_t delay_us) {
  const auto delay = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(delay_us, 1, kMaxSleepUs)) * kTicksPerUs;
  timer1().control = 0;
  timer1().interrupts = 1;
  timer1().reload = delay;
  timer1().value = delay;
  timer1().control = kTimerRun | kTimerInterrupt;
}

}  // namespace tml::fw::mps2
