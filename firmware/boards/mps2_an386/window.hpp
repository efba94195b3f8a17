// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#pragma once

#include <string_view>

#include "firmware/boards/mps2_an386/host_window.hpp"

namespace tml::fw::mps2 {

/// The host window; a panic when whoever started QEMU made none.
[[nodiscard]] Window& open_window();

/// The board's id as the runner chose it.
[[nodiscard]] std::string_view device_id(const Window& window);

}  // namespace tml::fw::mps2
