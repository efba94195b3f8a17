// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a port hands to the application.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "firmware/hal/camera.hpp"
#include "firmware/hal/clock.hpp"
#include "firmware/hal/flash.hpp"
#include "firmware/hal/random.hpp"
#include "firmware/hal/sensor.hpp"
#include "firmware/hal/system.hpp"
#include "firmware/hal/uart.hpp"
#include "firmware/nn/kernels.hpp"
#include "firmware/update/installer.hpp"
#include "firmware/update/link_server.hpp"
#include "firmware/update/parts.hpp"

namespace tml::fw::app {

inline constexpr std::size_t kMaxSensors = 8;
inline constexpr std::uint32_t kMaxSampleSectors = 4096;  ///< 16 MiB

/// Updates in the background (docs/flash-link.md, "Background mode"): an engine on memory of its own. The installer is
/// mounted, the link's mode is application; the application sets contract and watcher, and from App::start() on it
/// alone calls both.
struct UpdateEngine {
  update::Installer& installer;
  update::LinkServer& link;
  const update::Parts& parts;
  /// The application slot that this program was started from; kNoSlot: the board cannot tell, the boot log's word
  /// counts.
  std::uint8_t own_slot = wire::flash::kNoSlot;
};

/// Everything the application runs on. All of it outlives the App.
struct Board {
  hal::Uart& uart;
  hal::Clock& clock;
  hal::Flash& flash;
  hal::FlashRegion config_region;  ///< Two sectors (8 KiB).
  hal::FlashRegion sample_region;  ///< 4 to kMaxSampleSectors sectors; not overlapping config_region.
  hal::Random& random;
  hal::System& system;
  std::span<hal::Sensor* const> sensors;  ///< 0 to kMaxSensors, in the order of AT+SENSORS?.
  hal::Camera* camera = nullptr;          ///< Optional: AT+SNAPSHOT and AT+SNAPSHOTSTREAM.
  /// Where model packages lie: none, or kModelSlots regions in the order 0A, 0B, 1A, 1B (hal/flash_layout.hpp).
  std::span<const hal::FlashRegion> model_slots = {};
  /// RAM for signal processing and the running model, 16-byte aligned; empty on a board that runs no models. The
  /// application owns its content.
  std::span<std::uint8_t> arena = {};
  /// What runs the models' steps: nn::m4::kTable on Cortex-M4F, nn::fast::kTable on a host. Null: no models.
  const nn::KernelTable* kernels = nullptr;
  /// Optional: without it there are no frames on the line, and no bootloader for AT+BOOTMODE.
  const UpdateEngine* update = nullptr;
};

}  // namespace tml::fw::app
