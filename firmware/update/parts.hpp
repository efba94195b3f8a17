// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the update engine works on. The bootloader and the application each make one engine (installer.hpp) and one end
// of the link (link_server.hpp) on the same parts; never both at a time.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/wire/flash_link.hpp"
#include "common/wire/manifest.hpp"
#include "firmware/hal/boot.hpp"
#include "firmware/hal/clock.hpp"
#include "firmware/hal/flash.hpp"
#include "firmware/hal/random.hpp"

namespace tml::fw::update {

/// Burnt into the bootloader at build time (on the virtual board: chosen by flags); constant.
struct Trust {
  std::array<std::uint8_t, wire::flash::kKeyBytes> root_key{};  ///< Ed25519; signs key sets.
  wire::flash::KeySet factory_keys;                             ///< In force while the log names no key set.
  bool release = false;     ///< Refuses the development key (development_key.hpp) wherever it comes from.
  bool allow_read = false;  ///< Op::read.
};

/// Who this board is; constant.
struct Product {
  std::string_view name;  ///< Manifest::product must equal it; 1 to 23 characters.
  std::uint16_t hardware = 0;
  std::uint32_t boot_version = 0;
  std::string_view device_id;
  std::uint32_t flash_bytes = 0;
};

/// What models may ask for: of the running application, or in the bootloader of the active one's image header.
struct Contract {
  std::uint16_t kernel_abi = 0;  ///< 0: unknown (no valid application): every model is accepted.
  std::uint64_t kernels = 0;
  std::uint32_t arena_bytes = 0;
};

struct Parts {
  hal::Flash& flash;
  hal::Clock& clock;
  hal::Random& random;
  hal::BootPort& port;
  hal::FlashRegion boot_control;            ///< Two sectors.
  hal::FlashRegion keys;                    ///< Two sectors.
  std::span<const hal::FlashRegion> slots;  ///< kSlots regions by slot id; size 0 = this board has no such slot.
  const Trust& trust;
  const Product& product;
};

/// Working memory of an engine; sizes are told in Identity. The application may lend its own.
struct Memory {
  std::span<std::uint8_t>
      window;  ///< 2 to kMaxWindow times kChunkBytes: chunks in assembly; chunk lists while they arrive.
  std::span<std::uint8_t> inflate;  ///< kInflateBytes (inflate.hpp), 8-byte aligned; empty: no compressed chunks.
};

}  // namespace tml::fw::update
