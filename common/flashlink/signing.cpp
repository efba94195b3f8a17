// SPDX-License-Identifier: Apache-2.0
#include "common/flashlink/signing.hpp"

#include <sodium.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/flashlink/chunking.hpp"
#include "common/wire/flash_frame.hpp"

namespace tml::flashlink {
namespace {

using wire::flash::kChunkBytes;
using wire::flash::kHashBytes;
using wire::flash::kMaxChunks;
using wire::flash::Manifest;
using wire::flash::ObjectClass;

const unsigned char* octets(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

/// Must have been called before libsodium makes random numbers; harmless when repeated.
void start_sodium() {
  if (sodium_init() < 0) std::abort();
}

/// The chunk list as it stands in files.
std::vector<std::byte> list_of(std::span<const std::byte> payload) {
  std::vector<std::byte> list;
  for (const Hash& hash : chunk_hashes(payload)) {
    const auto bytes = std::as_bytes(std::span(hash));
    list.insert(list.end(), bytes.begin(), bytes.end());
  }
  return list;
}

}  // namespace

Hash sha256(std::span<const std::byte> bytes) {
  Hash hash{};
  crypto_hash_sha256(hash.data(), octets(bytes), bytes.size());
  return hash;
}

KeyId key_id(const PublicKey& key) {
  const Hash hash = sha256(std::as_bytes(std::span(key)));
  KeyId id{};
  std::copy_n(hash.begin(), id.size(), id.begin());
  return id;
}

std::string hex(std::span<const std::uint8_t> bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

SecretKey SecretKey::generate() {
  start_sodium();
  SecretKey key;
  crypto_sign_keypair(key.public_.data(), key.secret_.data());
  return key;
}

SecretKey SecretKey::from_seed(std::span<const std::uint8_t, kSeedBytes> seed) {
  SecretKey key;
  crypto_sign_seed_keypair(key.public_.data(), key.secret_.data(), seed.data());
  return key;
}

SecretKey::SecretKey(SecretKey&& other) noexcept : secret_(other.secret_), public_(other.public_) {
  sodium_memzero(other.secret_.data(), other.secret_.size());
}

SecretKey& SecretKey::operator=(SecretKey&& other) noexcept {
  if (this != &other) {
    secret_ = other.secret_;
    public_ = other.public_;
    sodium_memzero(other.secret_.data(), other.secret_.size());
  }
  return *this;
}

SecretKey::~SecretKey() { sodium_memzero(secret_.data(), secret_.size()); }

std::span<const std::uint8_t, SecretKey::kSeedBytes> SecretKey::seed() const {
  return std::span(secret_).first<kSeedBytes>();
}

std::array<std::uint8_t, wire::flash::kSignatureBytes> SecretKey::sign(std::span<const std::byte> message) const {
  std::array<std::uint8_t, wire::flash::kSignatureBytes> signature{};
  crypto_sign_detached(signature.data(), nullptr, octets(message), message.size(), secret_.data());
  return signature;
}

Result<SignedObject> sign_object(const Manifest& facts, std::vector<std::byte> payload, const SecretKey& key) {
  if (payload.empty()) return fail(Errc::limit, "there is nothing to sign: the payload is empty");
  if (payload.size() > kMaxChunks * kChunkBytes)
    return fail(Errc::limit, "the payload has " + std::to_string(payload.size()) + " bytes, an object holds " +
                                 std::to_string(kMaxChunks * kChunkBytes) + " at most");
  const bool listed = facts.object != ObjectClass::keyset;
  SignedObject object;
  object.payload = std::move(payload);
  object.manifest = facts;
  if (listed) object.list = list_of(object.payload);
  Manifest& manifest = object.manifest;
  manifest.payload_bytes = static_cast<std::uint32_t>(object.payload.size());
  manifest.chunk_count = static_cast<std::uint32_t>(object.list.size() / kHashBytes);
  manifest.payload_hash = sha256(object.payload);
  manifest.list_root = listed ? sha256(object.list) : Hash{};
  manifest.key_id = key.id();
  manifest.signature = key.sign(object.manifest_bytes().first(wire::flash::kSignedBytes));
  if (const auto parsed = wire::flash::parse_manifest(object.manifest_bytes()); !parsed)
    return fail(Errc::usage, "these facts make no manifest (" + std::string(wire::errc_name(parsed.error())) + ")",
                text_of(facts.name), "Check product, hardware revisions and slots");
  return object;
}

Result<void> check_hashes(const wire::flash::BundleObject& object, std::string_view where) {
  const std::string place(where);
  constexpr const char* kHint = "The file is damaged: copy or make it again";
  const bool listed = object.manifest.object != ObjectClass::keyset;
  if (object.payload.size() != object.manifest.payload_bytes || sha256(object.payload) != object.manifest.payload_hash)
    return fail(Errc::verification, "the payload's hash is not the one that was signed", place, kHint);
  if (!listed) return {};
  if (sha256(object.list) != object.manifest.list_root)
    return fail(Errc::verification, "the chunk list's hash is not the one that was signed", place, kHint);
  const auto list = list_of(object.payload);
  if (!std::equal(list.begin(), list.end(), object.list.begin(), object.list.end()))
    return fail(Errc::verification, "the chunk list is not that of the payload", place, kHint);
  return {};
}

bool signature_matches(std::span<const std::byte> manifest, const PublicKey& key) {
  if (manifest.size() < wire::flash::kManifestBytes) return false;
  const auto message = manifest.first(wire::flash::kSignedBytes);
  const auto signature = manifest.subspan(wire::flash::kSignedBytes, wire::flash::kSignatureBytes);
  KeyId id{};
  std::memcpy(id.data(), message.last(id.size()).data(), id.size());
  return key_id(key) == id &&
         crypto_sign_verify_detached(octets(signature), octets(message), message.size(), key.data()) == 0;
}

}  // namespace tml::flashlink
