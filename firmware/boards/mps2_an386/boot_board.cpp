// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/boot_board.hpp"

#include <array>

#include "firmware/boards/mps2_an386/board_names.hpp"
#include "firmware/boards/mps2_an386/board_trust.hpp"
#include "firmware/boards/mps2_an386/window.hpp"
#include "firmware/hal/flash_layout.hpp"

namespace tml::fw::mps2 {
namespace {

// 32 KiB of RAM, stack included, leave this much: two chunks in assembly, and 2 KiB for what comes meanwhile.
std::array<std::uint8_t, 2 * wire::flash::kChunkBytes> window_memory;
std::array<std::uint8_t, 2048> received;
std::array<std::uint8_t, 256> sent;

update::Product product;

}  // namespace

const update::Product& boot_product(const Window& window) {
  product = {.name = kProduct,
             .hardware = kHardware,
             .boot_version = kVersion,
             .device_id = device_id(window),
             .flash_bytes = kWindowOffset};
  return product;
}

update::Memory boot_memory() { return {.window = window_memory, .inflate = {}}; }

update::Parts boot_parts(hal::Flash& flash, hal::Clock& clock, hal::Random& random, hal::BootPort& port,
                         const update::Product& product) {
  return {.flash = flash,
          .clock = clock,
          .random = random,
          .port = port,
          .boot_control = hal::kBootControlRegion,
          .keys = hal::kCountersRegion,
          .slots = hal::kSlotRegions,
          .trust = board_trust(),
          .product = product};
}

std::span<std::uint8_t> boot_receive_ring() { return received; }
std::span<std::uint8_t> boot_send_ring() { return sent; }

}  // namespace tml::fw::mps2
