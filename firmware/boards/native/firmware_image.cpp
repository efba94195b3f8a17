// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/firmware_image.hpp"

#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>

#include "common/base/file.hpp"
#include "common/base/random.hpp"
#include "common/wire/base64.hpp"
#include "common/wire/flash_link.hpp"
#include "common/wire/model_package.hpp"

namespace tml::fw::native {
namespace {

using namespace wire::flash;

static_assert(crypto_hash_sha256_BYTES == kHashBytes && crypto_sign_BYTES == kSignatureBytes);

// Public by intent: whoever reads this can sign for a board that trusts it (docs/security.md).
constexpr std::string_view kDevelopmentText = "TML development key, no secret";
constexpr std::string_view kPublicKeyTitle = "TML-ED25519-PUBLIC-1";
constexpr std::size_t kMaxKeyFileBytes = 4096;
constexpr std::array<std::string_view, 4> kBehaviours{"good", "crash", "hang", "mute"};
constexpr std::size_t kObjectAlignment = 16;

std::array<std::uint8_t, kHashBytes> sha256(std::span<const std::uint8_t> bytes) {
  std::array<std::uint8_t, kHashBytes> out{};
  crypto_hash_sha256(out.data(), bytes.data(), bytes.size());
  return out;
}

template <std::size_t N>
void copy_text(std::array<char, N>& into, std::string_view text) {
  std::copy_n(text.begin(), std::min(text.size(), N - 1), into.begin());
}

template <class Record>
void append(std::string& out, const Record& record) {
  out.append(reinterpret_cast<const char*>(&record), sizeof record);
}

void append(std::string& out, const std::vector<std::uint8_t>& bytes) {
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

ImageHeader header_of(std::span<const std::uint8_t> image) {
  ImageHeader header;
  std::memcpy(&header, image.data() + kImageHeaderOffset, sizeof header);
  return header;
}

}  // namespace

std::string_view name(Behaviour behaviour) { return kBehaviours[static_cast<std::size_t>(behaviour)]; }

std::optional<Behaviour> behaviour_named(std::string_view text) {
  const auto* const found = std::find(kBehaviours.begin(), kBehaviours.end(), text);
  if (found == kBehaviours.end()) return std::nullopt;
  return static_cast<Behaviour>(found - kBehaviours.begin());
}

std::optional<std::uint32_t> parse_version(std::string_view text) {
  constexpr std::array<std::uint32_t, 3> kMost{255, 255, 65535};
  constexpr std::array<std::uint32_t, 3> kShift{24, 16, 0};
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < kMost.size(); ++i) {
    std::uint32_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{} || value > kMost[i]) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    out |= value << kShift[i];
    if (i + 1 == kMost.size()) break;
    if (!text.starts_with('.')) return std::nullopt;
    text.remove_prefix(1);
  }
  if (!text.empty()) return std::nullopt;
  return out;
}

std::string version_text(std::uint32_t version) {
  return std::to_string(version >> 24U) + "." + std::to_string(version >> 16U & 0xFFU) + "." +
         std::to_string(version & 0xFFFFU);
}

std::vector<std::uint8_t> make_image(const ImageSpec& spec) {
  ImageHeader header;
  header.image_bytes = static_cast<std::uint32_t>(spec.bytes);
  header.version = spec.version;
  header.slots = spec.slots;
  header.kernel_abi = wire::model::kKernelAbi;
  header.arena_bytes = spec.arena_bytes;
  header.kernels = spec.kernels;
  copy_text(header.product, spec.product);
  copy_text(header.name, "firmware " + version_text(spec.version));
  header.behaviour = static_cast<std::uint32_t>(spec.behaviour);

  std::vector<std::uint8_t> out(spec.bytes);
  SeededRandom(spec.seed).fill(std::as_writable_bytes(std::span(out).subspan(kMinImageBytes)));
  // Two builds that differ in the header only differ in the build id too.
  const auto digest = sha256({reinterpret_cast<const std::uint8_t*>(&header), sizeof header});
  std::copy_n(digest.begin(), header.build_id.size(), header.build_id.begin());
  std::memcpy(out.data() + kImageHeaderOffset, &header, sizeof header);
  return out;
}

SignedImage sign_image(std::vector<std::uint8_t> image) {
  SignedImage out;
  const ImageHeader header = header_of(image);
  for (std::size_t at = 0; at < image.size(); at += kChunkBytes) {
    const auto digest = sha256(std::span(image).subspan(at, std::min(kChunkBytes, image.size() - at)));
    out.list.insert(out.list.end(), digest.begin(), digest.end());
  }
  Manifest& manifest = out.manifest;
  manifest.product = header.product;
  manifest.hardware_first = header.hardware_first;
  manifest.hardware_last = header.hardware_last;
  manifest.slots = header.slots;
  manifest.version = header.version;
  manifest.payload_bytes = static_cast<std::uint32_t>(image.size());
  manifest.chunk_count = static_cast<std::uint32_t>(out.list.size() / kHashBytes);
  manifest.kernel_abi = header.kernel_abi;
  manifest.kernels = header.kernels;
  manifest.arena_bytes = header.arena_bytes;
  manifest.payload_hash = sha256(image);
  manifest.list_root = sha256(out.list);
  manifest.build_id = header.build_id;
  manifest.name = header.name;

  const auto seed = sha256({reinterpret_cast<const std::uint8_t*>(kDevelopmentText.data()), kDevelopmentText.size()});
  std::array<std::uint8_t, crypto_sign_PUBLICKEYBYTES> public_key{};
  std::array<std::uint8_t, crypto_sign_SECRETKEYBYTES> secret_key{};
  crypto_sign_seed_keypair(public_key.data(), secret_key.data(), seed.data());
  const auto key_digest = sha256(public_key);
  std::copy_n(key_digest.begin(), manifest.key_id.size(), manifest.key_id.begin());
  crypto_sign_detached(manifest.signature.data(), nullptr, reinterpret_cast<const std::uint8_t*>(&manifest),
                       kSignedBytes, secret_key.data());
  out.payload = std::move(image);
  return out;
}

std::string bundle(const SignedImage& image) {
  const std::size_t bytes = kManifestBytes + image.list.size() + image.payload.size();
  std::string out = "TMLU";
  append(out, std::uint16_t{1});
  append(out, std::uint16_t{1});
  append(out, static_cast<std::uint32_t>(kObjectAlignment));
  append(out, static_cast<std::uint32_t>(bytes));
  static_assert(4 + 2 + 2 + 8 == kObjectAlignment);
  append(out, image.manifest);
  append(out, image.list);
  append(out, image.payload);
  return out;
}

Result<void> write_image(const std::filesystem::path& path, const ImageSpec& spec) {
  std::vector<std::uint8_t> image = make_image(spec);
  std::string content;
  if (path.extension() == ".tmlu") {
    content = bundle(sign_image(std::move(image)));
  } else {
    append(content, image);
  }
  return write_file_atomic(path, content, 0644);
}

std::optional<std::array<std::uint8_t, kKeyBytes>> parse_public_key(std::string_view text) {
  const std::size_t end = text.find('\n');
  std::string_view title = text.substr(0, end);
  if (title.ends_with('\r')) title.remove_suffix(1);
  if (title != kPublicKeyTitle || end == std::string_view::npos) return std::nullopt;
  text.remove_prefix(end + 1);
  text = text.substr(0, text.find_first_of("\r\n"));
  std::array<std::uint8_t, wire::base64_max_decoded_size(wire::base64_encoded_size(kKeyBytes))> bytes{};
  if (wire::base64_max_decoded_size(text.size()) > bytes.size()) return std::nullopt;
  const auto size = wire::base64_decode(text, std::as_writable_bytes(std::span(bytes)));
  if (!size || *size != kKeyBytes) return std::nullopt;
  std::array<std::uint8_t, kKeyBytes> key{};
  std::copy_n(bytes.begin(), key.size(), key.begin());
  return key;
}

Result<std::array<std::uint8_t, kKeyBytes>> read_public_key(const std::filesystem::path& path) {
  Result<std::string> content = read_file(path, kMaxKeyFileBytes);
  if (!content) return pass(std::move(content.error()));
  const auto key = parse_public_key(*content);
  if (key) return *key;
  return fail(Errc::malformed, "no public key of TML: " + std::string(kPublicKeyTitle) + " and base64 are expected",
              path.string(), "Make one with tml-flash keygen and give its .pub file");
}

std::optional<ImageHeader> read_image_header(hal::Flash& flash, std::uint32_t slot_offset) {
  std::array<std::uint8_t, kMinImageBytes> head{};
  if (!flash.read(slot_offset, head)) return std::nullopt;
  const ImageHeader header = header_of(head);
  constexpr ImageHeader kExpected;
  if (header.magic != kExpected.magic || header.format != kExpected.format) return std::nullopt;
  return header;
}

}  // namespace tml::fw::native
