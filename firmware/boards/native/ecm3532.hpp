// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// `--profile ecm3532`: the AI Sensor board as a flashing tool sees it (wire reference, section 8). An application at
// the start-up rate that echoes, prompts and knows AT+BOOTMODE, AT+CONFIG? and AT+HELP, and the bootloader
// (ecm3532_boot.hpp) at 460800.
//
// A reset prints the bootloader's banner and starts the application when the flash holds an image; after AT+BOOTMODE it
// stays in the bootloader. A flash that was never written gets a small image when the board is made. Faults: lose-line
// and bad-line lose and damage replies of the bootloader, the byte faults of the line act as with every profile.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "common/base/random.hpp"
#include "firmware/boards/native/ecm3532_boot.hpp"
#include "firmware/boards/native/events.hpp"
#include "firmware/boards/native/fault.hpp"
#include "firmware/boards/native/pty_uart.hpp"
#include "firmware/hal/flash.hpp"

namespace tml::fw::native {

/// One thread. All references outlive the object.
class Ecm3532 {
 public:
  using Time = std::chrono::nanoseconds;
  static constexpr Time kNever = Time::max();
  static constexpr std::uint32_t kBootBaud = 460'800;
  static constexpr std::uint32_t kApplicationBaud = 115'200;
  /// How long a board that was reset by hand listens in its bootloader.
  static constexpr Time kListen = std::chrono::milliseconds(500);

  /// From a reset to the banner: a host has this long to change its rate.
  static constexpr Time kRestart = std::chrono::milliseconds(200);

  struct Wiring {
    unsigned board = 0;
    hal::Flash& flash;
    PtyUart& uart;
    Events& events;
  };

  Ecm3532(const ReadingFaults& faults, std::uint64_t seed, const Wiring& wiring);

  /// Power on or a reset by hand; the line is at its start-up rate.
  void power_up(Time now);
  /// Does what is due. When it wants to run again without anything moving on the line.
  Time poll(Time now);

 private:
  enum class Mode : std::uint8_t { application, restarting, bootloader };
  void make_factory_image();
  void restart(Time now, bool stays);
  void enter_bootloader(Time now);
  void enter_application();
  void application_byte(std::uint8_t byte);
  void application_line();
  void boot_output(std::string_view text);
  /// True when everything has left and the rate has been changed.
  [[nodiscard]] bool change_rate();

  ReadingFaults faults_;
  SeededRandom lose_;
  SeededRandom bad_;
  Wiring wiring_;
  Ecm3532Boot boot_;
  Mode mode_ = Mode::application;
  bool stays_ = false;
  Time banner_at_{0};
  Time listen_until_{0};
  std::uint32_t wanted_baud_ = 0;  // 0: none
  std::string line_;
  std::string out_;
};

}  // namespace tml::fw::native
