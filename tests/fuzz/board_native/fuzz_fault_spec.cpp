// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "firmware/boards/native/fault.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto plan = tml::fw::native::parse_fault_spec({reinterpret_cast<const char*>(data), size});
  if (!plan) return 0;
  tml::fw::native::FaultSchedule schedule(plan->timed);
  auto last = std::chrono::nanoseconds(0);
  for (int i = 0; i < 20 && schedule.next() != tml::fw::native::FaultSchedule::kNever; ++i) {
    if (schedule.next() < last) std::abort();
    last = schedule.next();
    schedule.pop();
  }
  return 0;
}
