// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// How deep the stack has been: it is painted at reset, and the paint that is left tells.
#pragma once

#include <cstdint>

namespace tml::fw::mps2 {

/// Before anything else: paints what is below the caller.
void paint_stack();

/// The most that the stack has held, in bytes, to 4; cheap when it has not grown since the last call.
[[nodiscard]] std::uint32_t deepest_stack();

}  // namespace tml::fw::mps2
