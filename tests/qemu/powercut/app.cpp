// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// An application for the slots of mps2_an386 that does nothing but note that it runs: slot, version and a sum over its
// own image in the fault plan. Then it goes back to the bootloader: asking it to stay, or, as long as a trial is to be
// used up, without a word.
#include "firmware/boards/mps2_an386/fault_plan.hpp"
#include "firmware/boards/mps2_an386/image_header.hpp"
#include "firmware/boards/mps2_an386/mailbox.hpp"
#include "firmware/boards/mps2_an386/registers.hpp"

namespace {

using namespace tml::fw::mps2;  // NOLINT: this file is the board
using tml::wire::flash::BootReason;

std::uint32_t sum_of(const volatile std::uint8_t* bytes, std::uint32_t count) {
  std::uint32_t sum = 0x811C9DC5;  // FNV-1a
  for (std::uint32_t i = 0; i < count; ++i) sum = (sum ^ bytes[i]) * 0x01000193;
  return sum;
}

}  // namespace

int main() {
  const auto& header = image_header();
  const std::uint32_t slot = header.slots == 2 ? 1 : 0;
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  const auto* const image = reinterpret_cast<const std::uint8_t*>(register_at(kVtor));
  FaultPlan& plan = fault_plan();
  if (plan.start_count < kMaxStarts)
    plan.starts[plan.start_count] = {slot, header.version, sum_of(image, header.image_bytes)};
  ++plan.start_count;
  if (slot == plan.slot) plan.tried = 1;
  const bool uses_up = plan.goal == Goal::exhaust && slot == plan.slot;
  if (!uses_up) leave_stay_request();
  leave_reason(BootReason::update);
  reset_processor();
}
