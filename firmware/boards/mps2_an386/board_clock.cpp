// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/board_clock.hpp"

#include <cmath>

namespace tml::fw::mps2 {

void BoardClock::start(double speed) {
  speed_ = speed;
  TickClock::start();
}

std::uint64_t BoardClock::device_us() const {
  const std::uint64_t now = wire_us();
  return speed_ == 1 ? now : static_cast<std::uint64_t>(static_cast<double>(now) * speed_);
}

std::uint64_t BoardClock::wire_delay_us(std::uint64_t device_delay_us) const {
  if (speed_ == 1) return device_delay_us;
  return static_cast<std::uint64_t>(std::ceil(static_cast<double>(device_delay_us) / speed_));
}

}  // namespace tml::fw::mps2
