// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/app_update.hpp"

#include <array>

#include "firmware/boards/mps2_an386/board_parts.hpp"
#include "firmware/boards/mps2_an386/image_header.hpp"
#include "firmware/boards/mps2_an386/registers.hpp"
#include "firmware/hal/flash_layout.hpp"
#include "firmware/update/inflate.hpp"

namespace tml::fw::mps2 {
namespace {

std::array<std::uint8_t, wire::flash::kMaxWindow * wire::flash::kChunkBytes> window_memory;
alignas(8) std::array<std::uint8_t, update::kInflateBytes> inflate_memory;

}  // namespace

const app::UpdateEngine& update_engine(hal::Flash& flash, hal::Clock& clock, hal::Random& random, hal::Uart& uart,
                                       BoardBoot& port, const Window& window) {
  static const update::Product product = board_product(window, port.boot_version());
  static const update::Parts parts = board_parts(flash, clock, random, port, product);
  static const update::Memory memory{.window = window_memory, .inflate = inflate_memory};
  static update::Installer installer(parts, memory);
  installer.mount();
  static update::LinkServer link(installer, parts, memory, uart,
                                 {.mode = wire::flash::Mode::application,
                                  .app_version = image_header().version,
                                  .bauds = {},
                                  .rx_bytes = kReceiveRingBytes});
  static const app::UpdateEngine engine{
      .installer = installer, .link = link, .parts = parts, .own_slot = running_slot()};
  return engine;
}

std::uint8_t running_slot() {
  const std::uint32_t vectors = register_at(kVtor);
  for (std::uint8_t slot = 0; slot < hal::kAppSlots.size(); ++slot) {
    if (vectors == kPsramBase + hal::kAppSlots[slot].offset) return slot;
  }
  return wire::flash::kNoSlot;
}

}  // namespace tml::fw::mps2
