// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Bytes as they came in, with the time of each read: what a source hands on. Plain data; buffers are used again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/stream/types.hpp"

namespace tml::forwarder {

struct Batch {
  struct Piece {
    std::uint32_t size = 0;
    stream::Time arrival{0};  ///< Clock::steady() right after the read.
  };
  std::vector<std::byte> bytes;  ///< All pieces one after the other.
  std::vector<Piece> pieces;
  std::uint64_t lost_bytes = 0;  ///< Thrown away behind the last piece, since nobody fetched what was there.

  void append(std::span<const std::byte> data, stream::Time arrival) {
    bytes.insert(bytes.end(), data.begin(), data.end());
    pieces.push_back({static_cast<std::uint32_t>(data.size()), arrival});
  }
  void clear() {
    bytes.clear();
    pieces.clear();
    lost_bytes = 0;
  }
  [[nodiscard]] bool empty() const { return pieces.empty() && lost_bytes == 0; }
  /// `use(bytes, arrival)` for each piece.
  template <class Use>
  void each(Use use) const {
    std::size_t at = 0;
    for (const Piece& piece : pieces) {
      use(std::span(bytes).subspan(at, piece.size), piece.arrival);
      at += piece.size;
    }
  }
};

}  // namespace tml::forwarder
