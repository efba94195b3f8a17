// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Payloads that this computer has flashed, by SHA-256: what a board has in a slot can be the base of a difference only
// while the host has the same bytes. One file per payload, named by its hash, in `$XDG_STATE_HOME/tml/flash`; when the
// folder outgrows its bound the files unused for longest go. Everything is best effort: without the cache more bytes
// travel, nothing else changes. Safe between processes (atomic replacement, content checked when read). Blocking.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "common/flashlink/signing.hpp"

namespace tml::flashlink {

class PayloadCache {
 public:
  static constexpr std::uint64_t kDefaultBytes = std::uint64_t{64} << 20U;

  explicit PayloadCache(std::filesystem::path folder, std::uint64_t most_bytes = kDefaultBytes);

  /// The payload, or nothing. A file whose content does not match its name is removed.
  [[nodiscard]] std::optional<std::vector<std::byte>> find(const Hash& hash) const;
  /// False when it could not be kept.
  bool keep(const Hash& hash, std::span<const std::byte> payload) const;

 private:
  std::filesystem::path folder_;
  std::uint64_t most_bytes_;
};

}  // namespace tml::flashlink
