// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Which chunks of an object the board can copy from its base slot: those whose hash the base's list has, at whatever
// place. Pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "common/flashlink/chunking.hpp"
#include "common/wire/flash_link.hpp"

namespace tml::flashlink {

/// Runs of chunks to copy, ascending in `to`, without those that the board has already (`have`: one per chunk of the
/// object, empty = none). A chunk of the base whose size differs has another hash, so the short last one is safe.
[[nodiscard]] std::vector<wire::flash::Copy> plan_copies(std::span<const Hash> object, std::span<const Hash> base,
                                                         const std::vector<bool>& have = {});

}  // namespace tml::flashlink
