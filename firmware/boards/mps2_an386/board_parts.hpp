// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// This board as the update engine sees it, in the bootloader and in the application, with the keys that are built in:
// those of development, or the ones that the build was given (docs/porting.md, "Keys").
#pragma once

#include "firmware/boards/mps2_an386/host_window.hpp"
#include "firmware/update/parts.hpp"

namespace tml::fw::mps2 {

/// `boot_version` 0: there is no bootloader. The texts are the window's.
[[nodiscard]] update::Product board_product(const Window& window, std::uint32_t boot_version);
/// Refers to what is given.
[[nodiscard]] update::Parts board_parts(hal::Flash& flash, hal::Clock& clock, hal::Random& random, hal::BootPort& port,
                                        const update::Product& product);

}  // namespace tml::fw::mps2
