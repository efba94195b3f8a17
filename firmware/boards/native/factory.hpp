// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a factory does before a board is shipped: the first application, in slot app-a.
#pragma once

#include "common/base/error.hpp"
#include "firmware/boards/native/firmware_image.hpp"
#include "firmware/hal/clock.hpp"
#include "firmware/hal/flash.hpp"

namespace tml::fw::native {

/// The board was never flashed: no boot record, no complete trailer in either slot of the application. True also of a
/// board whose factory was interrupted, and of a state folder from before there were slots.
[[nodiscard]] bool needs_factory(hal::Flash& flash, hal::Clock& clock);

/// Signs the image and puts it into app-a, its trailer's seal last: interrupted at any instant, needs_factory() stays
/// true. Only sectors that are not blank are erased, so that a new flash.bin stays sparse. Errc::io when the flash
/// refuses.
[[nodiscard]] Result<void> program_factory(hal::Flash& flash, hal::Clock& clock, const ImageSpec& spec);
/// The same with what is signed already and fits the slot.
[[nodiscard]] Result<void> program_factory(hal::Flash& flash, hal::Clock& clock, const SignedImage& image);

}  // namespace tml::fw::native
