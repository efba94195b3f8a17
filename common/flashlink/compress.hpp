// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// How each chunk is sent: as it is, deflated, or deflated against a piece of what the board has in its base slot,
// whichever is the fewest granules (common/wire/flash_frame.hpp: Encoding). zlib, level 9, raw streams; a chunk is
// compressed for itself, since the board receives chunks in any order and forgets none of them.
//
// Pure functions, thread-safe; 0.1 to 0.5 ms per chunk: run it on a worker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/flashlink/chunking.hpp"
#include "common/wire/flash_frame.hpp"

namespace tml::flashlink {

/// log2 of how far back a stream may refer: within a chunk, and over a chunk and the dictionary in front of it. What a
/// board has memory for (firmware/update/inflate.hpp).
inline constexpr int kDeflateWindowBits = 12;
inline constexpr int kDeltaWindowBits = 13;

struct Prepared {
  wire::flash::Encoding encoding = wire::flash::Encoding::raw;
  Bytes bytes;  ///< As sent, 1 to 4096; empty for raw: the payload's own bytes are sent.
};

/// Raw deflate of one chunk, or nothing when that is not smaller than the chunk. `dictionary`: empty, or 4096 bytes.
[[nodiscard]] Bytes deflate_chunk(std::span<const std::byte> chunk, std::span<const std::byte> dictionary = {});
/// The other way, with bounds; for tests and simulated boards. Empty for a damaged stream or one that is not
/// `raw_bytes`.
[[nodiscard]] Bytes inflate_chunk(std::span<const std::byte> stream, std::size_t raw_bytes,
                                  std::span<const std::byte> dictionary = {});

/// Finds where in a base the content of a chunk may come from. Refers to the base, which outlives it.
class BaseIndex {
 public:
  explicit BaseIndex(std::span<const std::byte> base);
  [[nodiscard]] std::span<const std::byte> base() const { return base_; }
  /// Byte offsets of 4096 bytes of the base, the most promising first, at most `most`; each fits into the base.
  [[nodiscard]] std::vector<std::uint32_t> candidates(std::span<const std::byte> chunk, std::size_t at,
                                                      std::size_t most = 3) const;

 private:
  struct Entry {
    std::uint64_t hash;
    std::uint32_t offset;
  };
  std::span<const std::byte> base_;
  std::vector<Entry> blocks_;  // by hash
};

struct Allowed {
  bool deflate = true;  ///< wire::flash::kCapDeflate
  bool delta = true;    ///< wire::flash::kCapDelta, and a base is there
};
/// The chunk at byte `at` of the payload. `index` may be null: no deltas.
[[nodiscard]] Prepared prepare_chunk(std::span<const std::byte> chunk, std::size_t at, const BaseIndex* index,
                                     Allowed allowed);

}  // namespace tml::flashlink
