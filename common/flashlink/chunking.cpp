// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/chunking.hpp"

#include <algorithm>
#include <cstring>

namespace tml::flashlink {

using wire::flash::kChunkBytes;

std::span<const std::byte> chunk_at(std::span<const std::byte> payload, std::size_t index) {
  const std::size_t at = index * kChunkBytes;
  if (at >= payload.size()) return {};
  return payload.subspan(at, std::min(kChunkBytes, payload.size() - at));
}

std::vector<Hash> chunk_hashes(std::span<const std::byte> payload) {
  std::vector<Hash> hashes;
  hashes.reserve(chunks_of(payload.size()));
  for (std::size_t i = 0; i < chunks_of(payload.size()); ++i) hashes.push_back(sha256(chunk_at(payload, i)));
  return hashes;
}

std::vector<Hash> list_entries(std::span<const std::byte> list) {
  std::vector<Hash> hashes(list.size() / sizeof(Hash));
  if (!hashes.empty()) std::memcpy(hashes.data(), list.data(), hashes.size() * sizeof(Hash));
  return hashes;
}

}  // namespace tml::flashlink
