// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The board as a whole: who it is, what it runs, and its reset.
#pragma once

#include <cstdint>
#include <string_view>

namespace tml::fw::hal {

/// Constant while the firmware runs; the texts outlive the application. All texts are printable ASCII without "> ".
struct SystemInfo {
  std::string_view device_type;         ///< "TML_VIRTUAL_BOARD": `device_type` of each capture, `Type:` in AT+CONFIG?.
  std::string_view default_device_id;   ///< At most 31 characters (wire reference 6.7), from the chip:
                                        ///< "a4:cf:12:00:00:01". AT+DEVICEID= overrides it.
  std::string_view firmware_version;    ///< "0.1.0"
  std::string_view build_date;          ///< "Nov 21 2026"
  std::string_view build_time;          ///< "01:41:32"
  std::uint32_t default_baud = 115200;  ///< Rate after reset, already set by the port's start-up code.
  std::uint32_t transfer_baud =
      115200;  ///< `Data Transfer Baudrate`; equal to 115200 = no faster rate (wire reference 1.8).
  /// What Clock::work() counts: "instructions", "cycles", "ns" (time of the virtual machine), "cpu-ns" (CPU time of
  /// the thread); empty = it does not count.
  std::string_view work_unit;
};

class System {
 public:
  [[nodiscard]] virtual const SystemInfo& info() const = 0;

  /// Restarts the board. On an MCU it does not return. Where it returns (virtual board, tests) the application is
  /// finished: the caller of App::poll() destroys it and makes a new one.
  virtual void reset() = 0;

 protected:
  ~System() = default;
};

}  // namespace tml::fw::hal
