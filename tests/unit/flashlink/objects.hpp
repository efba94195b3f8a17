// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Objects to send in tests, unsigned: what checks them here looks at hashes only.
#pragma once

#include <random>

#include "common/flashlink/chunking.hpp"
#include "common/flashlink/signing.hpp"

namespace tml::flashlink::testing {

inline Bytes noise_bytes(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

/// Bytes that compress to about a third.
inline Bytes soft_bytes(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % 4 == 0 ? random() % 16 : 7);
  return bytes;
}

inline SignedObject object_of(Bytes payload) {
  SignedObject object;
  object.manifest.payload_bytes = static_cast<std::uint32_t>(payload.size());
  object.manifest.chunk_count = static_cast<std::uint32_t>(chunks_of(payload.size()));
  for (const Hash& hash : chunk_hashes(payload)) {
    const auto bytes = std::as_bytes(std::span(hash));
    object.list.insert(object.list.end(), bytes.begin(), bytes.end());
  }
  object.manifest.payload_hash = sha256(payload);
  object.manifest.list_root = sha256(object.list);
  object.payload = std::move(payload);
  return object;
}

}  // namespace tml::flashlink::testing
