// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the wire fuzz targets share: ending the run when a property breaks, and cutting the input by its own bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "common/wire/bytes.hpp"

namespace tml::wire::fuzz {

inline void require(bool property) {
  if (!property) std::abort();
}

inline std::span<const std::byte> bytes(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span<const std::uint8_t>(data, size));
}

/// Calls `take` with pieces of 1 to 16 bytes, chosen by the bytes themselves.
template <class Take>
void in_pieces(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::size_t want = 1 + static_cast<std::uint8_t>(text.front()) % 16U;
    const auto piece = text.substr(0, want);
    take(piece);
    text.remove_prefix(piece.size());
  }
}

}  // namespace tml::wire::fuzz
