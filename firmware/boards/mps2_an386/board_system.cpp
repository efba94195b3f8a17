// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/board_system.hpp"

#include "firmware/boards/mps2_an386/mailbox.hpp"
#include "firmware/boards/mps2_an386/window.hpp"

namespace tml::fw::mps2 {

BoardSystem::BoardSystem(const Window& window) {
  info_ = {.device_type = "TML_MPS2_AN386",
           .default_device_id = device_id(window),
           .firmware_version = TML_VERSION,
           .build_date = __DATE__,
           .build_time = __TIME__,
           .transfer_baud = window.transfer_baud,
           .work_unit = window.counts_instructions != 0 ? "instructions" : "ns"};
}

void BoardSystem::reset() { reset_processor(); }

}  // namespace tml::fw::mps2
