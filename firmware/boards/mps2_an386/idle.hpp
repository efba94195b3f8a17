// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#pragma once

#include <cstdint>

#include "firmware/boards/mps2_an386/cmsdk_uart.hpp"
#include "firmware/boards/mps2_an386/tick_clock.hpp"

namespace tml::fw::mps2 {

/// Sleeps until a byte was received, `delay_us` are over, or, with `on_transmit`, the transmitter has moved on since
/// `sent_before` (CmsdkUart::transmissions()). At most TickClock::kMaxSleepUs.
void sleep(std::uint64_t delay_us, bool on_transmit, std::uint32_t sent_before, const CmsdkUart& uart,
           TickClock& clock);

}  // namespace tml::fw::mps2
