// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The bootloader under a FaultPlan: the same firmware/boot and the same engine, on a flash whose power fails, with a
// plan in the place of the line. Nobody listens, so that thousands of points take a minute.
#include "firmware/boards/mps2_an386/board_boot.hpp"
#include "firmware/boards/mps2_an386/board_names.hpp"
#include "firmware/boards/mps2_an386/board_parts.hpp"
#include "firmware/boards/mps2_an386/boot_board.hpp"
#include "firmware/boards/mps2_an386/cmsdk_uart.hpp"
#include "firmware/boards/mps2_an386/event_port.hpp"
#include "firmware/boards/mps2_an386/faulty_flash.hpp"
#include "firmware/boards/mps2_an386/goal.hpp"
#include "firmware/boards/mps2_an386/mailbox.hpp"
#include "firmware/boards/mps2_an386/registers.hpp"
#include "firmware/boards/mps2_an386/tick_clock.hpp"
#include "firmware/boards/mps2_an386/window.hpp"
#include "firmware/boards/mps2_an386/window_random.hpp"
#include "firmware/boot/boot.hpp"

namespace {

namespace update = tml::fw::update;
using tml::fw::boot::Boot;
using namespace tml::fw::mps2;  // NOLINT: this file is the board
using tml::wire::flash::BootReason;

constexpr std::uint64_t kIdleUs = 50;

void wait_for_go(const volatile FaultPlan& plan, TickClock& clock) {
  while (plan.magic != kFaultPlanMagic || plan.go == plan.done) {
    const CriticalSection alone;
    clock.wake_in(kIdleUs);
    asm volatile("wfi");  // NOLINT(hicpp-no-assembler)
  }
}

void begin_point(FaultPlan& plan) {
  (void)take_stay_request();
  plan.outcome = Outcome::reached;
  plan.status = 0;
  plan.operations = 0;
  plan.since_fault = 0;
  plan.faults_done = 0;
  plan.random = plan.seed;
  plan.resets = 0;
  plan.reverted = 0;
  plan.tried = 0;
  plan.stored = 0;
  plan.unstable_count = 0;
  plan.start_count = 0;
  plan.running = plan.go;
}

// As a board between two lives of its application: after a reset that is not the reset button, nobody listens.
[[noreturn]] void restart() {
  leave_reason(BootReason::update);
  reset_processor();
}

[[noreturn]] void end_point(FaultPlan& plan) {
  data_barrier();
  plan.done = plan.go;
  tell("point\n");
  restart();
}

}  // namespace

int main() {
  start_event_port();
  Window& window = open_window();
  FaultPlan& plan = fault_plan();
  static TickClock clock;
  clock.start();
  if (plan.magic != kFaultPlanMagic || plan.go == plan.done || plan.running != plan.go) {
    wait_for_go(plan, clock);
    data_barrier();
    begin_point(plan);
    restart();
  }
  if (++plan.resets > kMaxResets) {
    plan.outcome = Outcome::too_long;
    end_point(plan);
  }
  static PsramFlash psram(window.wear);
  static FaultyFlash flash(psram, plan);
  static WindowRandom random(window);
  static BoardBoot port(kVersion, window.boot_stack_bytes);
  static CmsdkUart uart(boot_receive_ring(), boot_send_ring());
  static const update::Product product = board_product(window, kVersion);
  static const update::Parts parts = board_parts(flash, clock, random, port, product);
  static const update::Memory memory = boot_memory();
  if (port.take_stay_request()) {
    static update::Installer installer(parts, memory);
    installer.mount();
    if (Pursuit(installer, flash, plan).visit()) end_point(plan);
    restart();
  }
  static Boot boot(uart, parts, memory, {.listen_ms = 0});
  boot.start();
  while (boot.stage() != Boot::Stage::recovery) boot.poll();
  plan.outcome = Outcome::recovery;
  end_point(plan);
}
