// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// An object in chunks of 4096 bytes, and its chunk list as hashes (common/wire/manifest.hpp). Pure functions. Signing
// (signing.hpp) makes lists and roots.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "common/flashlink/signing.hpp"

namespace tml::flashlink {

using Bytes = std::vector<std::byte>;

[[nodiscard]] constexpr std::size_t chunks_of(std::size_t payload_bytes) {
  return (payload_bytes + wire::flash::kChunkBytes - 1) / wire::flash::kChunkBytes;
}
/// The bytes of chunk `index`; empty behind the end.
[[nodiscard]] std::span<const std::byte> chunk_at(std::span<const std::byte> payload, std::size_t index);
/// SHA-256 of each chunk. A MiB takes some milliseconds.
[[nodiscard]] std::vector<Hash> chunk_hashes(std::span<const std::byte> payload);
/// The entries of a list as it stands in files and in answers: n x 32 bytes; a rest is left out.
[[nodiscard]] std::vector<Hash> list_entries(std::span<const std::byte> list);

}  // namespace tml::flashlink
