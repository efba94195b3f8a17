// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The bootloader of the virtual board, firmware/boot, and the update engine of the application, one at a time and on
// the same memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "firmware/app/board.hpp"
#include "firmware/boards/native/boot_port.hpp"
#include "firmware/boards/native/update_options.hpp"
#include "firmware/boot/boot.hpp"
#include "firmware/hal/clock.hpp"
#include "firmware/hal/flash.hpp"
#include "firmware/hal/random.hpp"
#include "firmware/hal/uart.hpp"
#include "firmware/update/inflate.hpp"
#include "firmware/update/installer.hpp"
#include "firmware/update/link_server.hpp"
#include "firmware/update/parts.hpp"

namespace tml::fw::native {

/// One thread. Everything that is passed in outlives it.
class Loader {
 public:
  Loader(const UpdateOptions& options, const std::string& device_id, hal::Flash& flash, hal::Clock& clock,
         hal::Random& random, BootPort& port);
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The bootloader as after a reset.
  void start_boot(hal::Uart& uart);
  /// The engine for an application of this version, valid until start_boot().
  [[nodiscard]] const app::UpdateEngine& start_engine(hal::Uart& uart, std::uint32_t app_version);
  void stop();
  /// Null while it does not run.
  [[nodiscard]] boot::Boot* boot() { return boot_ ? &*boot_ : nullptr; }

  [[nodiscard]] const update::Parts& parts() const { return parts_; }

 private:
  struct Engine {
    Engine(const update::Parts& parts, const update::Memory& memory, hal::Uart& uart,
           const update::LinkOptions& options);
    update::Installer installer;
    update::LinkServer link;
    app::UpdateEngine engine;
  };
  [[nodiscard]] update::Memory memory() { return {window_, inflate_}; }

  update::Trust trust_;
  update::Product product_;
  update::Parts parts_;
  std::array<std::uint8_t, wire::flash::kMaxWindow * wire::flash::kChunkBytes> window_{};
  alignas(8) std::array<std::uint8_t, update::kInflateBytes> inflate_{};
  std::optional<boot::Boot> boot_;
  std::optional<Engine> engine_;
};

}  // namespace tml::fw::native
