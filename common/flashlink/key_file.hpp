// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Key files: two lines of text, ended by LF. docs/image-format.md, "Key files".
//
//     secret = "TML-ED25519-SECRET-1" LF base64(seed 32) LF
//            / "TML-ED25519-SECRET-1" LF "argon2id " ops " " kib " " base64(salt 16, nonce 24, secretbox(seed) 48) LF
//     public = "TML-ED25519-PUBLIC-1" LF base64(public key 32) LF
//
// With a passphrase the seed is encrypted by crypto_secretbox (XSalsa20-Poly1305) under crypto_pwhash (Argon2id) of the
// passphrase with `ops` passes over `kib` KiB. A file with other costs than ours is read up to kMaxOps and kMaxKib: a
// foreign file cannot make the tool use all memory. Blocking; Argon2id takes a tenth of a second to a second.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/flashlink/signing.hpp"

namespace tml::flashlink {

inline constexpr std::size_t kMaxKeyFile = 4096;
inline constexpr std::uint64_t kOps = 3;  ///< crypto_pwhash_OPSLIMIT_MODERATE
inline constexpr std::uint64_t kKib = 256U << 10U;
inline constexpr std::uint64_t kMaxOps = 16;
inline constexpr std::uint64_t kMaxKib = 1U << 20U;
inline constexpr std::size_t kMaxPassphrase = 1024;

/// What Argon2id costs; tests choose less.
struct PassphraseCost {
  std::uint64_t ops = kOps;
  std::uint64_t kib = kKib;
};

/// The text of a file; without a passphrase plain. Errc::limit for a passphrase above kMaxPassphrase bytes,
/// Errc::failed when Argon2id gets no memory.
[[nodiscard]] Result<std::string> secret_key_text(const SecretKey& key, std::string_view passphrase,
                                                  const PassphraseCost& cost = {});
[[nodiscard]] std::string public_key_text(const PublicKey& key);

/// Gives the passphrase of an encrypted file; called at most once, and only for such a file.
using AskPassphrase = std::function<Result<std::string>()>;

/// `where`: for errors. Errc::malformed for what is no such file (also for a public key), Errc::auth for a wrong
/// passphrase, Errc::limit for costs beyond the bounds, and what `ask` returns.
[[nodiscard]] Result<SecretKey> parse_secret_key(std::string_view text, const AskPassphrase& ask,
                                                 std::string_view where);
[[nodiscard]] Result<PublicKey> parse_public_key(std::string_view text, std::string_view where);

/// Reads the file; also warns through `notes` when others than the owner may read a secret one.
[[nodiscard]] Result<SecretKey> load_secret_key(const std::filesystem::path& path, const AskPassphrase& ask,
                                                std::vector<std::string>& notes);
/// A public file, or a plain secret one whose public half is taken.
[[nodiscard]] Result<PublicKey> load_public_key(const std::filesystem::path& path);

/// Writes NAME.key (0600) and NAME.pub (0644). Neither may exist: Errc::usage.
struct KeyFiles {
  std::filesystem::path secret;
  std::filesystem::path public_;
};
[[nodiscard]] Result<KeyFiles> save_key_pair(const std::filesystem::path& name, const SecretKey& key,
                                             std::string_view passphrase, const PassphraseCost& cost = {});

}  // namespace tml::flashlink
