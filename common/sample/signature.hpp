// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// HMAC-SHA256 signatures of acquisition documents (wire reference 6.2), always over the bytes as they were received,
// never re-encoded. The MAC runs over three pieces (before the signature, 64 zeros, after it), so that verifying copies
// nothing.
//
// A Signer holds a keyed OpenSSL context and the key: not thread-safe, cheap to use again, wipes the key when it goes.
// Where the signature stands is taken from the parser, not searched for: same result for every genuine document, and no
// second occurrence of the text elsewhere can mislead it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/base/error.hpp"
#include "common/sample/document.hpp"

namespace tml::sample {

using Digest = std::array<std::byte, 32>;

enum class Verification : std::uint8_t {
  verified,
  failed,       ///< Signed, but not with this key or not these bytes.
  not_signed,   ///< alg none, or 64 zeros that were never overwritten (wire reference 6.4).
  unknown_key,  ///< Signed, and there is no key to check it with.
};

/// "verified", "failed", "unsigned", "unknown_key": stable names in --json and in databases.
[[nodiscard]] std::string_view verification_name(Verification verification);
[[nodiscard]] Result<Verification> parse_verification(std::string_view name);

class Signer {
 public:
  /// `key`: the UTF-8 text of the HMAC key, not hex-decoded. An empty key makes verify() answer unknown_key and sign()
  /// fail with Errc::usage.
  explicit Signer(std::string_view key);
  ~Signer();
  Signer(Signer&&) noexcept;
  Signer& operator=(Signer&&) noexcept;
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  /// HMAC-SHA256 of the pieces one after the other.
  [[nodiscard]] Digest mac(std::span<const Bytes> pieces);

  /// Compares in constant time. When a key of more than 32 characters does not fit, its first 32 are tried too (C SDK,
  /// wire reference 6.2).
  [[nodiscard]] Verification verify(Bytes bytes, const Document& document);

  /// Writes the signature into the document in place and returns it. The document must say HS256 and hold 64 signature
  /// characters (any, they are overwritten); else Errc::malformed or Errc::unsupported.
  [[nodiscard]] Result<std::string> sign(std::span<std::byte> bytes, const Document& document);
  /// Parses first.
  [[nodiscard]] Result<std::string> sign(std::span<std::byte> bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// One-off forms; parse first, so they also fail as parse() does.
[[nodiscard]] Result<Verification> verify(Bytes bytes, std::string_view key);
[[nodiscard]] Result<std::string> sign(std::span<std::byte> bytes, std::string_view key);

/// The first of several keys (old and new versions) that fits; `key_index` is meaningful when verified.
struct KeyMatch {
  Verification verification = Verification::unknown_key;
  std::size_t key_index = 0;
};
[[nodiscard]] KeyMatch verify_any(Bytes bytes, const Document& document, std::span<const std::string_view> keys);

/// Incremental SHA-256; not thread-safe, finish() starts afresh.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(Bytes bytes);
  [[nodiscard]] Digest finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

[[nodiscard]] Digest sha256(Bytes bytes);
/// 64 lower-case hex characters.
[[nodiscard]] std::string sha256_hex(Bytes bytes);
/// 32 lower-case hex characters; for the split rule only, never for security.
[[nodiscard]] std::string md5_hex(Bytes bytes);
[[nodiscard]] std::string hex(Bytes bytes);
/// True when both are equal; the time depends on the length only.
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace tml::sample
