// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The bootloader: its parts, firmware/boot on them, and the loop that sleeps in between.
#include "firmware/boards/mps2_an386/board_boot.hpp"
#include "firmware/boards/mps2_an386/board_names.hpp"
#include "firmware/boards/mps2_an386/board_parts.hpp"
#include "firmware/boards/mps2_an386/boot_board.hpp"
#include "firmware/boards/mps2_an386/cmsdk_uart.hpp"
#include "firmware/boards/mps2_an386/event_port.hpp"
#include "firmware/boards/mps2_an386/idle.hpp"
#include "firmware/boards/mps2_an386/psram_flash.hpp"
#include "firmware/boards/mps2_an386/stack_mark.hpp"
#include "firmware/boards/mps2_an386/tick_clock.hpp"
#include "firmware/boards/mps2_an386/window.hpp"
#include "firmware/boards/mps2_an386/window_random.hpp"
#include "firmware/boot/boot.hpp"

namespace {

namespace update = tml::fw::update;
using tml::fw::boot::Boot;
using namespace tml::fw::mps2;  // NOLINT: this file is the board

constexpr std::uint32_t kBaud = 115200;

}  // namespace

int main() {
  start_event_port();
  Window& window = open_window();
  static TickClock clock;
  clock.start();
  static PsramFlash flash(window.wear);
  static WindowRandom random(window);
  static BoardBoot port(kVersion, window.boot_stack_bytes);
  static CmsdkUart uart(boot_receive_ring(), boot_send_ring());
  uart.start(kBaud);
  tell("loader ");
  tell(static_cast<std::uint32_t>(port.reason()));
  tell(" ");
  tell(kVersion);
  tell("\n");
  static const update::Product product = board_product(window, kVersion);
  static const update::Parts parts = board_parts(flash, clock, random, port, product);
  static const update::Memory memory = boot_memory();
  static Boot boot(uart, parts, memory, {.rx_bytes = static_cast<std::uint32_t>(boot_receive_ring().size())});
  boot.start();
  bool told = false;
  for (;;) {
    const std::uint32_t sent_before = uart.transmissions();
    const tml::fw::boot::Wake wake = boot.poll();
    const bool stays = boot.stage() == Boot::Stage::staying || boot.stage() == Boot::Stage::recovery;
    if (stays && !told) tell("stay\n");
    told = stays;
    if (wake.delay_us == 0) continue;
    window.boot_stack_bytes = deepest_stack();
    sleep(wake.delay_us, wake.on_transmit, sent_before, uart, clock);
  }
}
