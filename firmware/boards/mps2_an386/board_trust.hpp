// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The keys that are built into this board's images: those of development, or the ones that the build was given
// (docs/porting.md, "Keys").
#pragma once

#include "firmware/update/parts.hpp"

namespace tml::fw::mps2 {

[[nodiscard]] const update::Trust& board_trust();

}  // namespace tml::fw::mps2
