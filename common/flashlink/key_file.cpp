// SPDX-License-Identifier: Apache-2.0
#include "common/flashlink/key_file.hpp"

#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

#include "common/base/file.hpp"
#include "common/wire/base64.hpp"

namespace tml::flashlink {
namespace {

constexpr std::string_view kSecretHead = "TML-ED25519-SECRET-1";
constexpr std::string_view kPublicHead = "TML-ED25519-PUBLIC-1";
constexpr std::string_view kArgon = "argon2id ";
constexpr std::size_t kSaltBytes = crypto_pwhash_SALTBYTES;
constexpr std::size_t kNonceBytes = crypto_secretbox_NONCEBYTES;
constexpr std::size_t kBoxBytes = crypto_secretbox_MACBYTES + SecretKey::kSeedBytes;
constexpr std::size_t kSealedBytes = kSaltBytes + kNonceBytes + kBoxBytes;

/// Bytes that are wiped when they go.
template <std::size_t kBytes>
struct Wiped {
  std::array<std::uint8_t, kBytes> bytes{};
  ~Wiped() { sodium_memzero(bytes.data(), bytes.size()); }
};

std::string base64(std::span<const std::uint8_t> bytes) {
  std::string text(wire::base64_encoded_size(bytes.size()), '\0');
  const auto size = wire::base64_encode(std::as_bytes(bytes), text);
  text.resize(size ? *size : 0);
  return text;
}

/// False when the text is not base64 of exactly that many bytes.
bool from_base64(std::string_view text, std::span<std::uint8_t> out) {
  if (text.size() != wire::base64_encoded_size(out.size())) return false;
  std::vector<std::byte> decoded(wire::base64_max_decoded_size(text.size()) + 3);
  const auto size = wire::base64_decode(text, decoded);
  const bool good = size && *size == out.size();
  if (good) std::memcpy(out.data(), decoded.data(), out.size());
  sodium_memzero(decoded.data(), decoded.size());
  return good;
}

tl::unexpected<Error> no_key_file(std::string_view where, std::string_view wanted) {
  return fail(Errc::malformed, "this is no " + std::string(wanted) + " key file", std::string(where),
              "tml-flash keygen --out NAME writes NAME.key (secret) and NAME.pub (public)");
}

/// The second line of a file that begins with `head` and has nothing else but them.
std::optional<std::string_view> body_of(std::string_view text, std::string_view head) {
  if (!text.starts_with(head)) return std::nullopt;
  text.remove_prefix(head.size());
  if (text.starts_with('\r')) text.remove_prefix(1);
  if (!text.starts_with('\n')) return std::nullopt;
  text.remove_prefix(1);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (text.empty() || text.find_first_of("\r\n") != std::string_view::npos) return std::nullopt;
  return text;
}

std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data() + text.size() || *end != ' ') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return value;
}

/// False when Argon2id gets no memory.
bool derive(std::string_view passphrase, const std::uint8_t* salt, const PassphraseCost& cost,
            Wiped<crypto_secretbox_KEYBYTES>& key) {
  return crypto_pwhash(key.bytes.data(), key.bytes.size(), passphrase.data(), passphrase.size(), salt, cost.ops,
                       static_cast<std::size_t>(cost.kib) * 1024, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

tl::unexpected<Error> no_memory(const PassphraseCost& cost, std::string_view where) {
  return fail(Errc::failed,
              "there is no memory for the passphrase: Argon2id wants " + std::to_string(cost.kib / 1024) + " MiB",
              std::string(where), "Free some, or use a computer with more");
}

Result<SecretKey> parse_sealed(std::string_view body, const AskPassphrase& ask, std::string_view where) {
  body.remove_prefix(kArgon.size());
  const auto ops = take_number(body);
  const auto kib = take_number(body);
  std::array<std::uint8_t, kSealedBytes> sealed{};
  if (!ops || !kib || !from_base64(body, sealed)) return no_key_file(where, "secret");
  if (*ops == 0 || *ops > kMaxOps || *kib < 8 || *kib > kMaxKib)
    return fail(Errc::limit, "this key file asks for more work than is allowed", std::string(where),
                "Argon2id with up to " + std::to_string(kMaxOps) + " passes and " + std::to_string(kMaxKib) +
                    " KiB is accepted; make the file with tml-flash keygen");
  const PassphraseCost cost{*ops, *kib};
  auto passphrase = ask ? ask()
                        : Result<std::string>(fail(Errc::usage, "this key file needs a passphrase", std::string(where),
                                                   "Give --passphrase-file FILE"));
  if (!passphrase) return pass(std::move(passphrase.error()));
  Wiped<crypto_secretbox_KEYBYTES> key;
  const bool derived = derive(*passphrase, sealed.data(), cost, key);
  sodium_memzero(passphrase->data(), passphrase->size());
  if (!derived) return no_memory(cost, where);
  Wiped<SecretKey::kSeedBytes> seed;
  const std::uint8_t* nonce = sealed.data() + kSaltBytes;
  if (crypto_secretbox_open_easy(seed.bytes.data(), nonce + kNonceBytes, kBoxBytes, nonce, key.bytes.data()) != 0)
    return fail(Errc::auth, "wrong passphrase", std::string(where), "Type it again; it cannot be recovered");
  return SecretKey::from_seed(seed.bytes);
}

}  // namespace

Result<std::string> secret_key_text(const SecretKey& key, std::string_view passphrase, const PassphraseCost& cost) {
  std::string text(kSecretHead);
  text += '\n';
  if (passphrase.empty()) return text + base64(key.seed()) + "\n";
  if (passphrase.size() > kMaxPassphrase)
    return fail(Errc::limit, "the passphrase has more than " + std::to_string(kMaxPassphrase) + " bytes");
  if (sodium_init() < 0) return fail(Errc::failed, "libsodium could not be started");
  std::array<std::uint8_t, kSealedBytes> sealed{};
  randombytes_buf(sealed.data(), kSaltBytes + kNonceBytes);
  Wiped<crypto_secretbox_KEYBYTES> box_key;
  if (!derive(passphrase, sealed.data(), cost, box_key)) return no_memory(cost, {});
  const std::uint8_t* nonce = sealed.data() + kSaltBytes;
  crypto_secretbox_easy(sealed.data() + kSaltBytes + kNonceBytes, key.seed().data(), SecretKey::kSeedBytes, nonce,
                        box_key.bytes.data());
  return text + std::string(kArgon) + std::to_string(cost.ops) + " " + std::to_string(cost.kib) + " " + base64(sealed) +
         "\n";
}

std::string public_key_text(const PublicKey& key) { return std::string(kPublicHead) + "\n" + base64(key) + "\n"; }

Result<SecretKey> parse_secret_key(std::string_view text, const AskPassphrase& ask, std::string_view where) {
  const auto body = body_of(text, kSecretHead);
  if (!body) return no_key_file(where, "secret");
  if (body->starts_with(kArgon)) return parse_sealed(*body, ask, where);
  Wiped<SecretKey::kSeedBytes> seed;
  if (!from_base64(*body, seed.bytes)) return no_key_file(where, "secret");
  return SecretKey::from_seed(seed.bytes);
}

Result<PublicKey> parse_public_key(std::string_view text, std::string_view where) {
  const auto body = body_of(text, kPublicHead);
  PublicKey key{};
  if (!body || !from_base64(*body, key)) return no_key_file(where, "public");
  return key;
}

Result<SecretKey> load_secret_key(const std::filesystem::path& path, const AskPassphrase& ask,
                                  std::vector<std::string>& notes) {
  auto text = read_file(path, kMaxKeyFile);
  if (!text) return pass(std::move(text.error()));
  struct stat facts {};
  if (::stat(path.c_str(), &facts) == 0 && (facts.st_mode & 0077U) != 0)
    notes.push_back("others may read the secret key " + path.string() + ": chmod 600 it");
  auto key = parse_secret_key(*text, ask, path.string());
  sodium_memzero(text->data(), text->size());
  return key;
}

Result<PublicKey> load_public_key(const std::filesystem::path& path) {
  const auto text = read_file(path, kMaxKeyFile);
  if (!text) return pass(text.error());
  if (!text->starts_with(kSecretHead)) return parse_public_key(*text, path.string());
  const auto sealed = [&path]() -> Result<std::string> {
    return fail(Errc::usage, "a secret key with a passphrase stands where a public one is wanted", path.string(),
                "Give the .pub file beside it");
  };
  const auto key = parse_secret_key(*text, sealed, path.string());
  if (!key) return pass(key.error());
  return key->public_key();
}

Result<KeyFiles> save_key_pair(const std::filesystem::path& name, const SecretKey& key, std::string_view passphrase,
                               const PassphraseCost& cost) {
  const KeyFiles files{name.string() + ".key", name.string() + ".pub"};
  for (const auto& path : {files.secret, files.public_}) {
    // Also a link that leads nowhere: a key is never written over.
    if (::access(path.c_str(), F_OK) == 0 || std::filesystem::is_symlink(path))
      return fail(Errc::usage, "there is a file already", path.string(),
                  "Choose another --out NAME; keys are not replaced");
  }
  auto text = secret_key_text(key, passphrase, cost);
  if (!text) return pass(std::move(text.error()));
  const auto written = write_file_atomic(files.secret, *text, 0600);
  sodium_memzero(text->data(), text->size());
  if (!written) return pass(written.error());
  if (auto shown = write_file_atomic(files.public_, public_key_text(key.public_key()), 0644); !shown)
    return pass(std::move(shown.error()));
  return files;
}

}  // namespace tml::flashlink
