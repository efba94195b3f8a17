// SPDX-License-Identifier: Apache-2.0
#include "common/sample/signature.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace tml::sample {

namespace {

constexpr std::size_t kCsdkKeyChars = 32;  // wire reference 6.2: the C implementation cuts keys there.
constexpr std::string_view kZeros = "0000000000000000000000000000000000000000000000000000000000000000";
static_assert(kZeros.size() == kSignatureChars);

// OpenSSL fails here only without memory or without its default provider: nothing that a caller could act on.
void must(bool ok) {
  if (!ok) std::abort();
}

struct FreeMac {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using MacContext = std::unique_ptr<EVP_MAC_CTX, FreeMac>;

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeDigest>;

MacContext keyed_context(std::string_view key) {
  // Fetching walks the provider tables under a lock: once per process, and never freed because other statics may
  // outlive it.
  static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr);
  must(hmac != nullptr);
  MacContext context(EVP_MAC_CTX_new(hmac));
  must(context != nullptr);
  char digest_name[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
                                   OSSL_PARAM_construct_end()};
  must(EVP_MAC_init(context.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(), parameters) == 1);
  return context;
}

Digest mac_with(EVP_MAC_CTX* context, std::span<const Bytes> pieces) {
  must(EVP_MAC_init(context, nullptr, 0, nullptr) == 1);  // Same key, fresh message.
  for (const Bytes piece : pieces)
    must(EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(piece.data()), piece.size()) == 1);
  Digest digest{};
  std::size_t written = 0;
  must(EVP_MAC_final(context, reinterpret_cast<unsigned char*>(digest.data()), &written, digest.size()) == 1 &&
       written == digest.size());
  return digest;
}

const EVP_MD* sha256_method() {
  static EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  must(method != nullptr);
  return method;
}

bool has_signature_field(Bytes bytes, const Document& document) {
  return document.signature.size() == kSignatureChars && document.signature_offset != kNoOffset &&
         bytes.size() >= kSignatureChars && document.signature_offset <= bytes.size() - kSignatureChars;
}

std::array<Bytes, 3> pieces_of(Bytes bytes, std::size_t signature_offset) {
  return {bytes.first(signature_offset), as_bytes(kZeros), bytes.subspan(signature_offset + kSignatureChars)};
}

}  // namespace

struct Signer::Impl {
  explicit Impl(std::string_view text) : key(text), context(text.empty() ? nullptr : keyed_context(text)) {}
  ~Impl() { OPENSSL_cleanse(key.data(), key.size()); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::string key;
  MacContext context;
  MacContext short_context;  // First 32 characters; made when first needed.
};

Signer::Signer(std::string_view key) : impl_(std::make_unique<Impl>(key)) {}
Signer::~Signer() = default;
Signer::Signer(Signer&&) noexcept = default;
Signer& Signer::operator=(Signer&&) noexcept = default;

Digest Signer::mac(std::span<const Bytes> pieces) {
  if (impl_->context == nullptr) {
    // HMAC with an empty key is defined (RFC 2104), but OpenSSL takes a null key for "keep the last one".
    static constexpr char kNoKey[] = "\0";
    const MacContext empty = keyed_context(std::string_view(kNoKey, 0));
    return mac_with(empty.get(), pieces);
  }
  return mac_with(impl_->context.get(), pieces);
}

Verification Signer::verify(Bytes bytes, const Document& document) {
  if (document.algorithm == Algorithm::none || document.signature == kZeros) return Verification::not_signed;
  if (document.algorithm != Algorithm::hs256 || !has_signature_field(bytes, document)) return Verification::failed;
  if (impl_->key.empty()) return Verification::unknown_key;
  const auto pieces = pieces_of(bytes, document.signature_offset);
  if (equal_constant_time(hex(mac(pieces)), document.signature)) return Verification::verified;
  if (impl_->key.size() <= kCsdkKeyChars) return Verification::failed;
  if (impl_->short_context == nullptr)
    impl_->short_context = keyed_context(std::string_view(impl_->key).substr(0, kCsdkKeyChars));
  const Digest digest = mac_with(impl_->short_context.get(), pieces);
  return equal_constant_time(hex(digest), document.signature) ? Verification::verified : Verification::failed;
}

Result<std::string> Signer::sign(std::span<std::byte> bytes, const Document& document) {
  if (impl_->key.empty()) return fail(Errc::usage, "cannot sign without an HMAC key");
  if (document.algorithm != Algorithm::hs256) {
    return fail(Errc::unsupported, "cannot sign a document with algorithm", document.algorithm_name,
                "Only HS256 is signed.");
  }
  if (!has_signature_field(bytes, document))
    return fail(Errc::malformed, "cannot sign: the signature field does not hold 64 plain characters");
  std::string signature = hex(mac(pieces_of(bytes, document.signature_offset)));
  std::memcpy(bytes.data() + document.signature_offset, signature.data(), signature.size());
  return signature;
}

Result<std::string> Signer::sign(std::span<std::byte> bytes) {
  const auto document = parse(bytes);
  if (!document) return pass(document.error());
  return sign(bytes, *document);
}

Result<Verification> verify(Bytes bytes, std::string_view key) {
  const auto document = parse(bytes);
  if (!document) return pass(document.error());
  return Signer(key).verify(bytes, *document);
}

Result<std::string> sign(std::span<std::byte> bytes, std::string_view key) { return Signer(key).sign(bytes); }

KeyMatch verify_any(Bytes bytes, const Document& document, std::span<const std::string_view> keys) {
  KeyMatch match{Signer({}).verify(bytes, document), 0};
  if (match.verification != Verification::unknown_key) return match;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Verification result = Signer(keys[i]).verify(bytes, document);
    if (result == Verification::verified) return {result, i};
    if (result == Verification::failed) match.verification = result;
  }
  return match;
}

std::string_view verification_name(Verification verification) {
  switch (verification) {
    case Verification::verified:
      return "verified";
    case Verification::failed:
      return "failed";
    case Verification::not_signed:
      return "unsigned";
    case Verification::unknown_key:
      return "unknown_key";
  }
  return "failed";
}

Result<Verification> parse_verification(std::string_view name) {
  for (const auto candidate :
       {Verification::verified, Verification::failed, Verification::not_signed, Verification::unknown_key}) {
    if (verification_name(candidate) == name) return candidate;
  }
  return fail(Errc::malformed, "unknown verification result", std::string(name));
}

struct Sha256::Impl {
  DigestContext context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : impl_(std::make_unique<Impl>()) {
  must(impl_->context != nullptr && EVP_DigestInit_ex2(impl_->context.get(), sha256_method(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::update(Bytes bytes) { must(EVP_DigestUpdate(impl_->context.get(), bytes.data(), bytes.size()) == 1); }

Digest Sha256::finish() {
  Digest digest{};
  must(EVP_DigestFinal_ex(impl_->context.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1);
  must(EVP_DigestInit_ex2(impl_->context.get(), sha256_method(), nullptr) == 1);
  return digest;
}

Digest sha256(Bytes bytes) {
  Digest digest{};
  must(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, sha256_method(),
                  nullptr) == 1);
  return digest;
}

std::string sha256_hex(Bytes bytes) { return hex(sha256(bytes)); }

std::string md5_hex(Bytes bytes) {
  static EVP_MD* const method = EVP_MD_fetch(nullptr, "MD5", nullptr);
  must(method != nullptr);
  std::array<std::byte, 16> digest{};
  must(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, method,
                  nullptr) == 1);
  return hex(digest);
}

std::string hex(Bytes bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    out += kDigits[std::to_integer<unsigned>(byte) >> 4U];
    out += kDigits[std::to_integer<unsigned>(byte) & 15U];
  }
  return out;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace tml::sample
