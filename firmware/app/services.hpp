// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What commands and jobs work with: the hardware, the stores and the way out.
#pragma once

#include <string_view>

#include "common/wire/bytes.hpp"
#include "common/wire/device_config.hpp"
#include "firmware/app/board.hpp"
#include "firmware/app/config_store.hpp"
#include "firmware/app/output.hpp"
#include "firmware/app/sample_store.hpp"

namespace tml::fw::app {

struct Services {
  explicit Services(const Board& hardware)
      : board(hardware),
        out(hardware.uart, hardware.update != nullptr ? &hardware.update->link : nullptr),
        config(hardware.flash, hardware.config_region),
        samples(hardware.flash, hardware.sample_region) {}

  Board board;
  Output out;
  ConfigStore config;
  SampleStore samples;
  wire::DeviceConfig report;  ///< Filled by fill_report(); too large for an MCU's stack.

  /// A sink for the writers of common/wire. Lives as long as the Services.
  [[nodiscard]] wire::TextSink sink() {
    return wire::TextSink(&out, [](void* output, std::string_view text) { static_cast<Output*>(output)->text(text); });
  }
  [[nodiscard]] std::string_view device_id() const {
    const auto& own = config.config().device_id;
    return own.empty() ? board.system.info().default_device_id : own.view();
  }
  [[nodiscard]] hal::Sensor* find_sensor(std::string_view name) const {
    for (hal::Sensor* const sensor : board.sensors) {
      if (sensor->info().name == name) return sensor;
    }
    return nullptr;
  }
  /// The configuration and the board as AT+CONFIG? shows them, into `report`.
  const wire::DeviceConfig& fill_report();
};

}  // namespace tml::fw::app
