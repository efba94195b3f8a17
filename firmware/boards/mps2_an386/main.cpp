// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The board: its parts, the application on them, and the loop that sleeps in between.
#include <array>

#include "firmware/app/app.hpp"
#include "firmware/boards/mps2_an386/app_update.hpp"
#include "firmware/boards/mps2_an386/board_boot.hpp"
#include "firmware/boards/mps2_an386/board_clock.hpp"
#include "firmware/boards/mps2_an386/board_system.hpp"
#include "firmware/boards/mps2_an386/cmsdk_uart.hpp"
#include "firmware/boards/mps2_an386/event_port.hpp"
#include "firmware/boards/mps2_an386/idle.hpp"
#include "firmware/boards/mps2_an386/image_header.hpp"
#include "firmware/boards/mps2_an386/psram_flash.hpp"
#include "firmware/boards/mps2_an386/stack_mark.hpp"
#include "firmware/boards/mps2_an386/window.hpp"
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

__attribute__((section(".arena"))) alignas(16) std::array<std::uint8_t, kArenaBytes> arena;

std::array<std::uint8_t, kReceiveRingBytes> received;
std::array<std::uint8_t, 1024> sent;

app::App* application = nullptr;

std::string_view label() { return application->services().config.config().label.view(); }

void tell_of_sample(const app::FileInfo& file) {
  tell("sample ");
  tell(application->services().samples.name(file).view());
  tell(" ");
  tell(file.size_bytes);
  tell("\n");
}

void tell_of_start() {
  tell("boot");
  if (running_slot() != tml::wire::flash::kNoSlot) {
    tell(" ");
    tell(tml::wire::flash::slot_name(running_slot()));
    tell(" ");
    tell(image_header().version);
  }
  tell("\n");
}

std::uint32_t newest_number() {
  const app::FileInfo* const newest = application->services().samples.newest();
  return newest == nullptr ? 0 : newest->number;
}

}  // namespace

int main() {
  start_event_port();
  if (image_header().kernels != nn::m4::kTable.mask()) panic("the image header has other kernels than", 0);
  Window& window = open_window();
  static BoardClock clock;
  clock.start(window.speed);
  static PsramFlash flash(window.wear);
  static WindowRandom random(window);
  static BoardSystem system(window);
  static CmsdkUart uart(received, sent);
  uart.start(system.info().default_baud);

  static WindowSensor accelerometer(SensorKind::accelerometer, window, clock, label);
  static WindowSensor microphone(SensorKind::microphone, window, clock, label);
  static WindowSensor environmental(SensorKind::environmental, window, clock, label);
  static WindowSensor inertial(SensorKind::inertial, window, clock, label);
  static WindowSensor inertial6(SensorKind::inertial6, window, clock, label);
  static constexpr std::array<hal::Sensor*, 5> kSensors{&accelerometer, &microphone, &environmental, &inertial,
                                                        &inertial6};
  static WindowCamera camera(window, clock, label);

  static BoardBoot port(0, window.stack_bytes);
  const app::UpdateEngine& update = update_engine(flash, clock, random, uart, port, window);
  static app::App the_application({.uart = uart,
                                   .clock = clock,
                                   .flash = flash,
                                   .config_region = hal::kConfigRegion,
                                   .sample_region = hal::kSampleRegion,
                                   .random = random,
                                   .system = system,
                                   .sensors = kSensors,
                                   .camera = window.camera.present != 0 ? &camera : nullptr,
                                   .model_slots = hal::kModelSlotRegions,
                                   .arena = arena,
                                   .kernels = &nn::m4::kTable,
                                   .update = &update});
  application = &the_application;
  application->start();
  std::uint32_t told = newest_number();
  tell_of_start();
  for (;;) {
    const std::uint32_t sent_before = uart.transmissions();
    const app::Wake wake = application->poll();
    if (newest_number() > told) {
      told = newest_number();
      tell_of_sample(*application->services().samples.newest());
    }
    if (wake.delay_us == 0) continue;
    window.stack_bytes = deepest_stack();
    sleep(wake.delay_us, wake.on_transmit, sent_before, uart, clock);
  }
}
