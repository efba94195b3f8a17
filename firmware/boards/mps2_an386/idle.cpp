// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/idle.hpp"

#include <algorithm>

#include "firmware/boards/mps2_an386/registers.hpp"

namespace tml::fw::mps2 {

// What ends the sleep is looked at with interrupts held back: one that comes now ends `wfi` at once.
void sleep(std::uint64_t delay_us, bool on_transmit, std::uint32_t sent_before, const CmsdkUart& uart,
           TickClock& clock) {
  const CriticalSection alone;
  if (uart.received() || (on_transmit && uart.transmissions() != sent_before)) return;
  clock.wake_in(std::min(delay_us, TickClock::kMaxSleepUs));
  asm volatile("wfi");  // NOLINT(hicpp-no-assembler)
}

}  // namespace tml::fw::mps2
