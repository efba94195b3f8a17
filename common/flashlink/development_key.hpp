// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The development key pair and the development root. Both are derived from texts that everybody knows, so that a fresh
// board and a fresh tool work together: Ed25519 seed = SHA-256 of the text, without a NUL. They protect nothing; a
// release build of the firmware refuses them (firmware/update/development_key.hpp, docs/security.md).
#pragma once

#include <string_view>

#include "common/flashlink/signing.hpp"

namespace tml::flashlink {

inline constexpr std::string_view kDevelopmentKeyText = "TML development key, no secret";
inline constexpr std::string_view kDevelopmentRootText = "TML development root, no secret";

/// Signs objects.
[[nodiscard]] SecretKey development_key();
/// Signs key sets.
[[nodiscard]] SecretKey development_root();
/// "development key", "development root", or empty for any other.
[[nodiscard]] std::string_view well_known_name(const KeyId& id);
/// The public half behind such an id.
[[nodiscard]] const PublicKey* well_known_key(const KeyId& id);

}  // namespace tml::flashlink
