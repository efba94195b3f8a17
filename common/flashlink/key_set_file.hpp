// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A key set as people write it (TOML), and as the object that the root key signs.
//
//     version = 3                      # counts up: a board takes only a newer one
//     product = "tml-virtual"          # boards of that product alone
//     [[key]]
//     file = "release-2026.pub"        # beside this file; or public = "base64"
//     classes = ["app", "model"]       # what it may sign; without: app, model and data
//     [[key]]
//     public = "base64"
//     state = "revoked"                # else "active"
//
// Unknown names are refused. Blocking reads of the key files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/error.hpp"
#include "common/flashlink/signing.hpp"

namespace tml::flashlink {

inline constexpr std::size_t kMaxKeySetFile = 64U << 10U;

struct KeySetFile {
  std::uint32_t version = 0;
  std::string product;
  wire::flash::KeySet keys;
};

/// `folder`: where `file` entries are looked up. Errc::malformed with line and column for what is no TOML, Errc::usage
/// for a wrong name or value, Errc::limit for more than kMaxKeys; and load_public_key()'s.
[[nodiscard]] Result<KeySetFile> parse_key_set_file(std::string_view text, const std::filesystem::path& folder,
                                                    std::string_view where);
/// The object of class keyset, signed by the root.
[[nodiscard]] Result<SignedObject> sign_key_set(const KeySetFile& set, const SecretKey& root, std::uint64_t unix_s);

}  // namespace tml::flashlink
