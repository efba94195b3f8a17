// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/board_boot.hpp"

#include "firmware/boards/mps2_an386/event_port.hpp"
#include "firmware/boards/mps2_an386/host_window.hpp"
#include "firmware/boards/mps2_an386/mailbox.hpp"
#include "firmware/boards/mps2_an386/registers.hpp"
#include "firmware/boards/mps2_an386/stack_mark.hpp"
#include "firmware/hal/flash_layout.hpp"

namespace tml::fw::mps2 {
namespace {

using wire::flash::BootReason;

constexpr std::uint32_t kSramBase = 0x20000000;
constexpr std::uint32_t kSramBytes = 4U << 20U;
constexpr std::uint32_t kTicksPerMs = kCoreHz / 1000;
constexpr std::uint32_t kMaxWatchdogMs = UINT32_MAX / kTicksPerMs;

// An application without a bootloader is the first that runs, as its vectors at address 0 tell.
bool first_to_run() { return register_at(kVtor) == 0; }

// As after a reset: no interrupt enabled or pending, no device that makes one. The watchdog runs on.
void quiet() {
  asm volatile("cpsid i" ::: "memory");  // NOLINT(hicpp-no-assembler)
  timer0().control = 0;
  timer1().control = 0;
  timer1().interrupts = 1;
  uart0().control = 0;
  uart0().interrupts = kUartRxPending | kUartTxPending;
  register_at(kNvicDisable) = UINT32_MAX;
  register_at(kNvicForget) = UINT32_MAX;
}

[[noreturn]] void leap(std::uint32_t vectors) {
  const std::uint32_t stack = register_at(vectors);
  const std::uint32_t entry = register_at(vectors + 4);
  register_at(kVtor) = vectors;
  asm volatile(  // NOLINT(hicpp-no-assembler)
      "dsb\n"
      "isb\n"
      "msr msp, %0\n"
      "cpsie i\n"
      "isb\n"
      "bx %1" ::"r"(stack),
      "r"(entry)
      : "memory");
  __builtin_unreachable();
}

}  // namespace

void on_watchdog() {
  tell("watchdog\n");
  leave_reason(BootReason::watchdog);
  reset_processor();
}

BoardBoot::BoardBoot(std::uint32_t boot_version, std::uint32_t& stack_bytes)
    : reason_(first_to_run() ? take_reason() : handover().reason),
      boot_version_(boot_version != 0 || first_to_run() ? boot_version : handover().boot_version),
      bootloader_(boot_version != 0),
      stack_bytes_(stack_bytes) {}

bool BoardBoot::take_stay_request() { return mps2::take_stay_request(); }

void BoardBoot::ask_to_stay() { leave_stay_request(); }

void BoardBoot::reset(BootReason reason) {
  leave_reason(reason);
  reset_processor();
}

void BoardBoot::arm_watchdog(std::uint32_t ms) {
  watchdog().lock = kWatchdogKey;
  watchdog().control = 0;
  if (ms != 0) {
    watchdog().load = (ms < kMaxWatchdogMs ? ms : kMaxWatchdogMs) * kTicksPerMs;
    watchdog().clear = 1;
    watchdog().control = kWatchdogInterrupt | kWatchdogReset;
  }
  watchdog().lock = 0;
}

void BoardBoot::feed_watchdog() {
  watchdog().lock = kWatchdogKey;
  watchdog().clear = 1;
  watchdog().lock = 0;
}

void BoardBoot::start_application(std::uint8_t slot, std::uint32_t flash_offset) {
  if (!bootloader_ || slot >= hal::kAppSlots.size() || hal::kAppSlots[slot].offset != flash_offset)
    panic("no application's slot", flash_offset);
  const std::uint32_t vectors = kPsramBase + flash_offset;
  const std::uint32_t stack = register_at(vectors);
  const std::uint32_t entry = register_at(vectors + 4);
  const bool stack_fits = stack > kSramBase && stack <= kSramBase + kSramBytes && stack % 8 == 0;
  const bool entry_fits = entry >= vectors && entry < vectors + hal::kAppSlots[slot].size_bytes && entry % 2 == 1;
  if (!stack_fits || !entry_fits) panic("no vector table at", vectors);
  tell("start ");
  tell(wire::flash::slot_name(slot));
  tell("\n");
  stack_bytes_ = deepest_stack();
  leave_handover({reason_, boot_version_});
  quiet();
  leap(vectors);
}

}  // namespace tml::fw::mps2
