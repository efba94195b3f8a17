// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The board: its parts, the application on them, and the loop that sleeps in between.
#include <algorithm>
#include <array>

#include "firmware/app/app.hpp"
#include "firmware/boards/mps2_an386/board_clock.hpp"
#include "firmware/boards/mps2_an386/board_system.hpp"
#include "firmware/boards/mps2_an386/cmsdk_uart.hpp"
#include "firmware/boards/mps2_an386/event_port.hpp"
#include "firmware/boards/mps2_an386/host_window.hpp"
#include "firmware/boards/mps2_an386/psram_flash.hpp"
#include "firmware/boards/mps2_an386/registers.hpp"
#include "firmware/boards/mps2_an386/stack_mark.hpp"
#include "firmware/boards/mps2_an386/window_camera.hpp"
#include "firmware/boards/mps2_an386/window_random.hpp"
#include "firmware/boards/mps2_an386/window_sensor.hpp"
#include "firmware/hal/flash_layout.hpp"

namespace {

namespace app = tml::fw::app;
namespace hal = tml::fw::hal;
namespace nn = tml::fw::nn;
using namespace tml::fw::mps2;  // NOLINT: this file is the board
using tml::fw::boards::SensorKind;

constexpr std::size_t kArenaBytes = 1U << 20U;
__attribute__((section(".arena"))) alignas(16) std::array<std::uint8_t, kArenaBytes> arena;

app::App* application = nullptr;

std::string_view label() { return application->services().config.config().label.view(); }

Window& open_window() {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  Window& window = *reinterpret_cast<Window*>(kPsramBase + kWindowOffset);
  if (window.magic != kWindowMagic || window.version != kWindowVersion) {
    panic("no host window: start this image with scripts/qemu-board; magic", window.magic);
  }
  return window;
}

void tell_of_sample(const app::FileInfo& file) {
  tell("sample ");
  tell(application->services().samples.name(file).view());
  tell(" ");
  tell(file.size_bytes);
  tell("\n");
}

std::uint32_t newest_number() {
  const app::FileInfo* const newest = application->services().samples.newest();
  return newest == nullptr ? 0 : newest->number;
}

// A received byte, a free transmitter and the timer end the sleep. They are looked at with interrupts held back: one
// that comes now ends `wfi` at once.
void sleep(const app::Wake& wake, const CmsdkUart& uart, std::uint32_t sent_before, BoardClock& clock) {
  const CriticalSection alone;
  if (uart.received() || (wake.on_transmit && uart.transmissions() != sent_before)) return;
  clock.wake_in(std::min(wake.delay_us, BoardClock::kMaxSleepUs));
  asm volatile("wfi");  // NOLINT(hicpp-no-assembler)
}

}  // namespace

int main() {
  start_event_port();
  Window& window = open_window();
  static BoardClock clock;
  clock.start(window.speed);
  static PsramFlash flash(window.wear);
  static WindowRandom random(window);
  static BoardSystem system(window);
  static CmsdkUart uart;
  uart.start(system.info().default_baud);

  static WindowSensor accelerometer(SensorKind::accelerometer, window, clock, label);
  static WindowSensor microphone(SensorKind::microphone, window, clock, label);
  static WindowSensor environmental(SensorKind::environmental, window, clock, label);
  static WindowSensor inertial(SensorKind::inertial, window, clock, label);
  static WindowSensor inertial6(SensorKind::inertial6, window, clock, label);
  static constexpr std::array<hal::Sensor*, 5> kSensors{&accelerometer, &microphone, &environmental, &inertial,
                                                        &inertial6};
  static WindowCamera camera(window, clock, label);

  static app::App the_application({.uart = uart,
                                   .clock = clock,
                                   .flash = flash,
                                   .config_region = hal::kConfigRegion,
                                   .sample_region = kSamples,
                                   .random = random,
                                   .system = system,
                                   .sensors = kSensors,
                                   .camera = window.camera.present != 0 ? &camera : nullptr,
                                   .model_slots = hal::kModelSlotRegions,
                                   .arena = arena,
                                   .kernels = &nn::m4::kTable});
  application = &the_application;
  application->start();
  std::uint32_t told = newest_number();
  tell("boot\n");
  for (;;) {
    const std::uint32_t sent_before = uart.transmissions();
    const app::Wake wake = application->poll();
    if (newest_number() > told) {
      told = newest_number();
      tell_of_sample(*application->services().samples.newest());
    }
    if (wake.delay_us == 0) continue;
    window.stack_bytes = deepest_stack();
    sleep(wake, uart, sent_before, clock);
  }
}
