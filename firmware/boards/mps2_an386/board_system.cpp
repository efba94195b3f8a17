// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/board_system.hpp"

#include <algorithm>

#include "firmware/boards/mps2_an386/registers.hpp"

namespace tml::fw::mps2 {

BoardSystem::BoardSystem(const Window& window) {
  const auto end = std::find(window.device_id.begin(), window.device_id.end(), '\0');
  info_ = {.device_type = "TML_MPS2_AN386",
           .default_device_id = {window.device_id.data(), static_cast<std::size_t>(end - window.device_id.begin())},
           .firmware_version = TML_VERSION,
           .build_date = __DATE__,
           .build_time = __TIME__,
           .transfer_baud = window.transfer_baud,
           .work_unit = window.counts_instructions != 0 ? "instructions" : "ns"};
}

void BoardSystem::reset() {
  asm volatile("dsb");  // NOLINT(hicpp-no-assembler)
  register_at(kAircr) = kResetRequest;
  for (;;) asm volatile("wfi");  // NOLINT(hicpp-no-assembler)
}

}  // namespace tml::fw::mps2
