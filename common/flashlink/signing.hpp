// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Signed objects on the host: keys, manifests, hashes. Ed25519 (RFC 8032) and SHA-256 by libsodium; the formats are
// those of common/wire/manifest.hpp and docs/image-format.md. Pure but for generate(); any
// thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/wire/flash_frame.hpp"
#include "common/wire/manifest.hpp"

namespace tml::flashlink {

using PublicKey = std::array<std::uint8_t, wire::flash::kKeyBytes>;
using KeyId = std::array<std::uint8_t, wire::flash::kKeyIdBytes>;
using Hash = std::array<std::uint8_t, wire::flash::kHashBytes>;

[[nodiscard]] Hash sha256(std::span<const std::byte> bytes);

/// First 8 bytes of SHA-256 of the public key.
[[nodiscard]] KeyId key_id(const PublicKey& key);
/// Lower case, without separators.
[[nodiscard]] std::string hex(std::span<const std::uint8_t> bytes);

/// The secret half of a key pair. Its memory is wiped when it goes; movable, not copyable; never printed.
class SecretKey {
 public:
  static constexpr std::size_t kSeedBytes = 32;

  [[nodiscard]] static SecretKey generate();
  /// The seed of RFC 8032, section 5.1.5.
  [[nodiscard]] static SecretKey from_seed(std::span<const std::uint8_t, kSeedBytes> seed);

  SecretKey(SecretKey&& other) noexcept;
  SecretKey& operator=(SecretKey&& other) noexcept;
  SecretKey(const SecretKey&) = delete;
  SecretKey& operator=(const SecretKey&) = delete;
  ~SecretKey();

  [[nodiscard]] const PublicKey& public_key() const { return public_; }
  [[nodiscard]] KeyId id() const { return key_id(public_); }
  [[nodiscard]] std::span<const std::uint8_t, kSeedBytes> seed() const;
  [[nodiscard]] std::array<std::uint8_t, wire::flash::kSignatureBytes> sign(std::span<const std::byte> message) const;

 private:
  SecretKey() = default;
  std::array<std::uint8_t, 64> secret_{};  ///< As libsodium has it: seed, public key.
  PublicKey public_{};
};

/// One object as it stands in a bundle and as a board gets it. Owns its bytes.
struct SignedObject {
  wire::flash::Manifest manifest;
  std::vector<std::byte> list;  ///< 32 bytes per chunk of 4096.
  std::vector<std::byte> payload;

  /// The 512 bytes of the manifest as they are sent and signed.
  [[nodiscard]] std::span<const std::byte> manifest_bytes() const { return std::as_bytes(std::span(&manifest, 1)); }
  /// A view for the link; valid while this object lives and is not moved.
  [[nodiscard]] wire::flash::BundleObject view() const { return {manifest, manifest_bytes(), list, payload}; }
};

/// Fills payload_bytes, chunk_count, payload_hash, list_root, key_id and signature of `facts`, the rest stays. Errors:
/// Errc::limit for an empty payload or one above kMaxChunks chunks, Errc::usage for facts that parse_manifest() would
/// refuse. Class keyset: chunk_count 0, no list.
[[nodiscard]] Result<SignedObject> sign_object(const wire::flash::Manifest& facts, std::vector<std::byte> payload,
                                               const SecretKey& key);

/// Whether payload and list are what the manifest says. Errc::verification naming what differs, with `where`.
[[nodiscard]] Result<void> check_hashes(const wire::flash::BundleObject& object, std::string_view where);
/// Whether this key signed these 512 bytes.
[[nodiscard]] bool signature_matches(std::span<const std::byte> manifest, const PublicKey& key);

/// NUL-padded text of a manifest or of an answer on the link.
template <std::size_t kBytes>
[[nodiscard]] std::string text_of(const std::array<char, kBytes>& field) {
  const std::string_view all(field.data(), kBytes);
  return std::string(all.substr(0, all.find('\0')));
}
/// False when it does not fit (a NUL stays at the end) or holds a control character.
template <std::size_t kBytes>
[[nodiscard]] bool set_text(std::array<char, kBytes>& field, std::string_view text) {
  if (text.size() >= kBytes) return false;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
  }
  field.fill('\0');
  text.copy(field.data(), text.size());
  return true;
}

}  // namespace tml::flashlink
