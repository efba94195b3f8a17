// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/manifest.hpp"

#include <bit>
#include <cstring>

#include "common/wire/flash_frame.hpp"
#include "common/wire/flash_link.hpp"
#include "common/wire/text.hpp"

namespace tml::wire::flash {
namespace {

static_assert(std::endian::native == std::endian::little, "structs are copied as they lie");

// Slots that an object of each class may lie in; a key set has none.
constexpr std::array<std::uint32_t, kObjectClasses> kSlotsOfClass{0b0000011, 0b0111100, 0b1000000, 0};

// Plain loops and one function for every size: the library's algorithms are unrolled, and a bootloader carries this.
bool only_zero(std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    if (byte != std::byte{0}) return false;
  }
  return true;
}
template <class Array>
bool all_zero(const Array& values) {
  return only_zero(std::as_bytes(std::span(values)));
}

// Printable, and nothing but NUL behind its end.
bool text_ok(std::span<const char> field) {
  std::size_t size = 0;
  for (; size < field.size() && field[size] != '\0'; ++size) {
    if (static_cast<unsigned char>(field[size]) < 0x20 || field[size] == 0x7F) return false;
  }
  return only_zero(std::as_bytes(field.subspan(size))) && is_utf8({field.data(), size});
}

// Product names end inside their field.
bool product_ok(const std::array<char, 24>& product) { return text_ok(product) && product.back() == '\0'; }

bool sizes_ok(const Manifest& m) {
  if (m.object == ObjectClass::keyset) {
    return m.chunk_count == 0 && m.payload_bytes >= sizeof(Key) && m.payload_bytes % sizeof(Key) == 0 &&
           m.payload_bytes <= kMaxKeys * sizeof(Key) && m.keyset_version != 0;
  }
  if (m.payload_bytes == 0 || m.payload_bytes > kMaxChunks * kChunkBytes || m.keyset_version != 0) return false;
  return m.chunk_count == (m.payload_bytes + kChunkBytes - 1) / kChunkBytes;
}

bool contract_ok(const Manifest& m) {
  const bool runs = m.object == ObjectClass::app || m.object == ObjectClass::model;
  if (!runs && (m.kernel_abi != 0 || m.kernels != 0 || m.arena_bytes != 0)) return false;
  return m.object == ObjectClass::model || (all_zero(m.io_hash) && all_zero(m.dsp_hash));
}

}  // namespace

std::string_view name(ObjectClass object) {
  switch (object) {
    case ObjectClass::app:
      return "app";
    case ObjectClass::model:
      return "model";
    case ObjectClass::data:
      return "data";
    case ObjectClass::keyset:
      return "keyset";
  }
  return "unknown";
}

std::string_view version_text(std::uint32_t version, std::span<char, kVersionText> out) {
  // From behind, the patch first.
  std::size_t at = out.size();
  for (unsigned part = 0; part < 3; ++part) {
    if (part > 0) out[--at] = '.';
    std::uint32_t number = part == 0 ? version & 0xFFFFU : version >> (part == 1 ? 16U : 24U) & 0xFFU;
    do {
      out[--at] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
  }
  return {out.data() + at, out.size() - at};
}

Result<Manifest> parse_manifest(std::span<const std::byte> bytes) {
  if (bytes.size() < kManifestBytes) return fail(Errc::truncated);
  Manifest m;
  const auto magic = m.magic;
  std::memcpy(&m, bytes.data(), kManifestBytes);
  if (m.magic != magic) return fail(Errc::malformed);
  if (m.format != kManifestFormat) return fail(Errc::unsupported);
  if (static_cast<std::size_t>(m.object) >= kObjectClasses || m.flags != 0) return fail(Errc::malformed);
  const bool reserved = m.reserved0 == 0 && m.reserved1 == 0 && m.reserved2 == 0 && all_zero(m.reserved3);
  if (!reserved || !product_ok(m.product) || !text_ok(m.name)) return fail(Errc::malformed);
  const bool any_product = m.product.front() == '\0';
  if (any_product && m.object != ObjectClass::model && m.object != ObjectClass::data) return fail(Errc::malformed);
  const std::uint32_t possible = kSlotsOfClass[static_cast<std::size_t>(m.object)];
  const bool slots = (m.slots & ~possible) == 0 && (m.slots != 0) == (possible != 0);
  if (!slots || m.hardware_first > m.hardware_last || !sizes_ok(m) || !contract_ok(m)) return fail(Errc::malformed);
  return m;
}

Result<std::optional<ImageHeader>> find_image_header(std::span<const std::byte> image) {
  ImageHeader h;
  const auto magic = h.magic;
  if (image.size() < kImageHeaderOffset + kImageHeaderBytes) return std::nullopt;
  std::memcpy(&h, image.data() + kImageHeaderOffset, kImageHeaderBytes);
  if (h.magic != magic) return std::nullopt;
  if (h.format != 1) return fail(Errc::unsupported);
  constexpr std::uint32_t kPossible = kSlotsOfClass[0];
  const bool sizes = h.header_bytes == kImageHeaderBytes && h.image_bytes <= image.size() &&
                     h.image_bytes >= kImageHeaderOffset + kImageHeaderBytes;
  const bool texts = product_ok(h.product) && h.product.front() != '\0' && text_ok(h.name);
  const bool rest = h.slots != 0 && (h.slots & ~kPossible) == 0 && h.hardware_first <= h.hardware_last &&
                    h.reserved0 == 0 && all_zero(h.reserved1);
  if (!sizes || !texts || !rest) return fail(Errc::malformed);
  return h;
}

Result<KeySet> parse_key_set(std::span<const std::byte> payload) {
  if (payload.empty() || payload.size() % sizeof(Key) != 0) return fail(Errc::malformed);
  if (payload.size() > kMaxKeys * sizeof(Key)) return fail(Errc::limit);
  constexpr std::uint8_t kClasses = 0b111;
  KeySet set;
  set.count = payload.size() / sizeof(Key);
  std::memcpy(set.keys.data(), payload.data(), payload.size());
  for (std::size_t n = 0; n < set.count; ++n) {
    const Key& key = set.keys[n];
    if (static_cast<std::uint8_t>(key.state) > 1 || (key.classes & ~kClasses) != 0 || !all_zero(key.reserved))
      return fail(Errc::malformed);
    if (all_zero(key.public_key)) return fail(Errc::malformed);
    for (std::size_t other = 0; other < n; ++other) {
      if (set.keys[other].public_key == key.public_key) return fail(Errc::malformed);
    }
  }
  return set;
}

Result<Bundle> parse_bundle(std::span<const std::byte> file) {
  struct Head {
    std::array<char, 4> magic;
    std::uint16_t format;
    std::uint16_t count;
  };
  struct Entry {
    std::uint32_t offset;
    std::uint32_t bytes;
  };
  constexpr std::size_t kAlignment = 16;
  Head head{};
  if (file.size() < sizeof(Head)) return fail(Errc::truncated);
  std::memcpy(&head, file.data(), sizeof(Head));
  if (head.magic != std::array<char, 4>{'T', 'M', 'L', 'U'}) return fail(Errc::malformed);
  if (head.format != 1) return fail(Errc::unsupported);
  if (head.count == 0) return fail(Errc::malformed);
  if (head.count > kMaxBundleObjects) return fail(Errc::limit);
  std::size_t behind = sizeof(Head) + head.count * sizeof(Entry);
  if (file.size() < behind) return fail(Errc::truncated);
  Bundle bundle;
  for (std::size_t n = 0; n < head.count; ++n) {
    Entry entry{};
    std::memcpy(&entry, file.data() + sizeof(Head) + n * sizeof(Entry), sizeof(Entry));
    // In the order of the table, so that no two overlap.
    if (entry.offset % kAlignment != 0 || entry.offset < behind) return fail(Errc::malformed);
    if (entry.offset > file.size() || entry.bytes > file.size() - entry.offset) return fail(Errc::truncated);
    behind = std::size_t{entry.offset} + entry.bytes;
    const auto bytes = file.subspan(entry.offset, entry.bytes);
    const auto manifest = parse_manifest(bytes);
    if (!manifest) return fail(manifest.error());
    const std::size_t list_bytes = std::size_t{manifest->chunk_count} * kHashBytes;
    if (bytes.size() != kManifestBytes + list_bytes + manifest->payload_bytes) return fail(Errc::malformed);
    BundleObject& object = bundle.objects[bundle.count++];
    object.manifest = *manifest;
    object.manifest_bytes = bytes.first(kManifestBytes);
    object.list = bytes.subspan(kManifestBytes, list_bytes);
    object.payload = bytes.subspan(kManifestBytes + list_bytes);
  }
  return bundle;
}

}  // namespace tml::wire::flash
