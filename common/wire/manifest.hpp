// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The signed manifest of everything that is flashed, the header inside application images, and key sets.
// docs/image-format.md has the tables, a worked example in hex and the downsides.
//
// A manifest is 512 bytes, little endian, laid out exactly as the struct: 448 signed bytes and an Ed25519 signature
// (RFC 8032) over them. The chunk list (SHA-256 of each 4096 bytes of payload) follows it in files and in a slot's
// trailer; list_root binds it. In flash the last three sectors of a slot, its *trailer*, hold manifest and list:
//
//     slot = payload ... | trailer (12 KiB): manifest 512 | mark 64 | list 32 x chunks
//
// The mark's seal is programmed last: a trailer without it is not there. Its other parts say which chunks are stored
// and that the payload was committed (firmware/update/trailer.hpp). Sectors that the list does not reach are not used.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/wire/errc.hpp"

namespace tml::wire::flash {

/// Of versions: major << 24 | minor << 16 | patch. "255.255.65535" is the longest text.
inline constexpr std::size_t kVersionText = 13;
/// "1.2.3", in `out`.
[[nodiscard]] std::string_view version_text(std::uint32_t version, std::span<char, kVersionText> out);

inline constexpr std::size_t kManifestBytes = 512;
inline constexpr std::size_t kSignedBytes = 448;
inline constexpr std::size_t kSignatureBytes = 64;
inline constexpr std::size_t kHashBytes = 32;
inline constexpr std::size_t kKeyBytes = 32;
inline constexpr std::size_t kKeyIdBytes = 8;
inline constexpr std::uint16_t kManifestFormat = 1;
inline constexpr std::size_t kTrailerBytes = 12288;  ///< Three sectors: manifest, mark and up to 256 list entries.
inline constexpr std::size_t kTrailerMarkOffset = 512;
inline constexpr std::size_t kTrailerListOffset = 576;

enum class ObjectClass : std::uint8_t { app = 0, model = 1, data = 2, keyset = 3 };
inline constexpr std::size_t kObjectClasses = 4;
[[nodiscard]] std::string_view name(ObjectClass object);

struct Manifest {
  std::array<std::uint8_t, 4> magic{'T', 'M', 'L', 'S'};
  std::uint16_t format = kManifestFormat;
  ObjectClass object = ObjectClass::app;
  std::uint8_t flags = 0;            ///< 0.
  std::array<char, 24> product{};    ///< NUL padded; empty: any product (models and data only).
  std::uint16_t hardware_first = 0;  ///< Revisions that it runs on, both included.
  std::uint16_t hardware_last = 0xFFFF;
  std::uint32_t slots = 0;    ///< Bit n: may lie in slot n (an image is linked for an address).
  std::uint32_t version = 0;  ///< major << 24 | minor << 16 | patch.
  std::uint32_t epoch = 0;    ///< Security epoch: see docs/security.md.
  std::uint32_t payload_bytes = 0;
  std::uint32_t chunk_count = 0;  ///< ceil(payload_bytes / 4096), 1 to kMaxChunks; 0 for a key set.
  std::uint32_t reserved0 = 0;
  std::uint16_t kernel_abi = 0;  ///< App: what it runs. Model: what it needs. Else 0.
  std::uint16_t reserved1 = 0;
  std::uint64_t kernels = 0;         ///< App: has. Model: needs.
  std::uint32_t arena_bytes = 0;     ///< App: has. Model: needs.
  std::uint32_t keyset_version = 0;  ///< Class keyset only.
  std::array<std::uint8_t, kHashBytes> payload_hash{};
  std::array<std::uint8_t, kHashBytes> list_root{};  ///< SHA-256 of the chunk list.
  std::array<std::uint8_t, kHashBytes> io_hash{};    ///< Model: of shapes, types, scales of input and output; else 0.
  std::array<std::uint8_t, kHashBytes> dsp_hash{};   ///< Model: of the impulse section; else 0.
  std::array<std::uint8_t, 20> build_id{};
  std::uint32_t reserved2 = 0;
  std::uint64_t created_unix_s = 0;  ///< For people; never compared.
  std::array<char, 32> name{};       ///< NUL padded.
  std::array<std::uint8_t, 168> reserved3{};
  std::array<std::uint8_t, kKeyIdBytes> key_id{};  ///< First 8 bytes of SHA-256 of the public key.
  std::array<std::uint8_t, kSignatureBytes> signature{};
};
static_assert(sizeof(Manifest) == kManifestBytes);

/// Structure only: magic, format, class, counts, reserved bytes 0, texts padded with NUL. Not the signature.
/// Errc::truncated, malformed, unsupported (another format).
[[nodiscard]] Result<Manifest> parse_manifest(std::span<const std::byte> bytes);

// ---- application images ----
inline constexpr std::size_t kImageHeaderOffset = 0x200;  ///< In an image; the vector table is in front of it.
inline constexpr std::size_t kImageHeaderBytes = 128;

/// What an application says of itself; from it tml-flash makes the manifest.
struct ImageHeader {
  std::array<std::uint8_t, 4> magic{'T', 'M', 'L', 'I'};
  std::uint16_t format = 1;
  std::uint16_t header_bytes = kImageHeaderBytes;
  std::uint32_t image_bytes = 0;  ///< Of the whole image, from its start.
  std::uint32_t version = 0;
  std::uint32_t slots = 0;  ///< As Manifest::slots.
  std::uint16_t hardware_first = 0;
  std::uint16_t hardware_last = 0xFFFF;
  std::uint16_t kernel_abi = 0;
  std::uint16_t reserved0 = 0;
  std::uint32_t arena_bytes = 0;
  std::uint64_t kernels = 0;
  std::array<char, 24> product{};
  std::array<char, 32> name{};
  std::array<std::uint8_t, 20> build_id{};
  std::uint32_t behaviour = 0;  ///< Virtual board only: what is wrong with this build on purpose (docs/tml-board.md).
  std::array<std::uint8_t, 8> reserved1{};
};
static_assert(sizeof(ImageHeader) == kImageHeaderBytes);

/// The header of an image, or nothing when there is none. Errc::malformed when there is one that contradicts itself or
/// the size.
[[nodiscard]] Result<std::optional<ImageHeader>> find_image_header(std::span<const std::byte> image);

// ---- key sets ----
inline constexpr std::size_t kMaxKeys = 8;
enum class KeyState : std::uint8_t { active = 0, revoked = 1 };

struct Key {
  std::array<std::uint8_t, kKeyBytes> public_key{};
  KeyState state = KeyState::active;
  std::uint8_t classes = 0;  ///< Bit n: may sign ObjectClass n (app, model, data; a key set is signed by the root).
  std::array<std::uint8_t, 6> reserved{};
};
static_assert(sizeof(Key) == 40);

/// The payload of a manifest of class keyset: count x Key, 1 to kMaxKeys. Errc::malformed, limit.
struct KeySet {
  std::size_t count = 0;
  std::array<Key, kMaxKeys> keys{};
};
[[nodiscard]] Result<KeySet> parse_key_set(std::span<const std::byte> payload);

// ---- files ----
/// A signed file (.tmlu): one or more objects for the same board, of which the tool takes the one that fits the slot.
///
///     file   = "TMLU" u16 format=1 u16 count  count x ( u32 offset u32 bytes )  objects, each at a multiple of 16
///     object = manifest 512 | chunk list 32 x chunk_count | payload
inline constexpr std::size_t kMaxBundleObjects = 8;
struct BundleObject {
  Manifest manifest;
  std::span<const std::byte> manifest_bytes;
  std::span<const std::byte> list;
  std::span<const std::byte> payload;
};
struct Bundle {
  std::size_t count = 0;
  std::array<BundleObject, kMaxBundleObjects> objects{};
};
/// Views into `file`. Structure only; hashes and signatures are the caller's.
[[nodiscard]] Result<Bundle> parse_bundle(std::span<const std::byte> file);

}  // namespace tml::wire::flash
