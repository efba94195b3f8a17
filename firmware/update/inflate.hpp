// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Chunks that were sent compressed: raw deflate (RFC 1951), optionally against a piece of the base slot as preset
// dictionary. zlib does the work, with memory from a fixed block instead of a heap.
//
// Output comes in pieces of the caller's choice, so that a chunk needs no second buffer of 4096 bytes: decode it once
// into the hash, and when that is right again into the page programs (256 bytes a piece). Decoding costs about as much
// as hashing.
//
//     Inflate inflate(memory.inflate);
//     inflate.begin(stream, Encoding::delta);
//     inflate.add_dictionary(piece);            // delta only: 4096 bytes of the base slot, in one piece or several
//     while (...) piece = inflate.read(page);   // until all bytes of the chunk are there
//     inflate.finish();                         // nothing may follow
#pragma once

#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/flash_frame.hpp"
#include "common/wire/flash_link.hpp"

namespace tml::fw::update {

/// zlib's inflate state: 7160 bytes with 64-bit pointers, 7116 with 32-bit ones (zlib 1.2.13; a unit test watches it).
inline constexpr std::size_t kInflateStateBytes = 7168;
/// Memory for chunks that refer to nothing but themselves: a history of 4096 bytes. Not enough for deltas.
inline constexpr std::size_t kInflateSmallBytes = kInflateStateBytes + 4096;
/// Memory for both kinds: the last byte of a chunk may refer to the first one of a dictionary of 4096 bytes.
inline constexpr std::size_t kInflateBytes = kInflateStateBytes + 8192;

/// One thread; not copyable. `memory` outlives it, is aligned to 8 bytes and holds kInflateBytes, or
/// kInflateSmallBytes: then deltas are Status::unsupported, and with less everything. Between chunks the memory may
/// serve other purposes.
class Inflate {
 public:
  explicit Inflate(std::span<std::uint8_t> memory) : memory_(memory) {}
  Inflate(const Inflate&) = delete;
  Inflate& operator=(const Inflate&) = delete;

  /// Starts a stream; what was under way is forgotten. `stream` stays in place and unchanged until the end. A delta's
  /// leading base offset is not part of it.
  [[nodiscard]] wire::flash::Status begin(std::span<const std::uint8_t> stream, wire::flash::Encoding encoding);
  /// Bytes that the stream may refer to as if they had come just before it. After begin(), before read(); further
  /// pieces follow the ones before.
  [[nodiscard]] wire::flash::Status add_dictionary(std::span<const std::uint8_t> piece);

  struct Piece {
    /// verify_failed: no valid stream, or one that ends before its end.
    wire::flash::Status status = wire::flash::Status::ok;
    std::size_t bytes = 0;  ///< Written to the front of `out`; less than its size only at the end or with an error.
  };
  /// The next bytes of output. Never writes beyond `out`.
  [[nodiscard]] Piece read(std::span<std::uint8_t> out);
  /// Behind the last byte that is expected. ok: the stream ends here, and so does its memory; else verify_failed.
  [[nodiscard]] wire::flash::Status finish();

  /// Most memory that any stream has taken so far, for tests.
  [[nodiscard]] std::size_t most_used() const { return most_used_; }

 private:
  static voidpf allocate(voidpf self, uInt items, uInt size);
  static void release(voidpf self, voidpf block);

  std::span<std::uint8_t> memory_;
  std::size_t used_ = 0;
  std::size_t most_used_ = 0;
  z_stream zlib_{};
  bool open_ = false;
  bool ended_ = false;
};

}  // namespace tml::fw::update
