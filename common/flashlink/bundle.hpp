// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Signed files (.tmlu): objects for the same board in one file (grammar in common/wire/manifest.hpp). Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/flashlink/signing.hpp"

namespace tml::flashlink {

/// A file's bytes at most: 8 objects of 1 MiB with manifest and list.
inline constexpr std::size_t kMaxBundleBytes = std::size_t{9} << 20U;

/// The file's bytes. Errc::usage for no object or more than kMaxBundleObjects.
[[nodiscard]] Result<std::vector<std::byte>> write_bundle(std::span<const SignedObject> objects);

/// Structure and hashes; not the signatures (whose key it is, is the board's to say). Errc::malformed, unsupported,
/// limit; Errc::verification for a hash.
[[nodiscard]] Result<std::vector<SignedObject>> read_bundle(std::span<const std::byte> file, std::string_view where);

}  // namespace tml::flashlink
