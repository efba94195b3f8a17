// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a file is that somebody wants on a board, told by its content, and the signed objects that it makes.
// Pure but for load_object_file(); any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/flashlink/signing.hpp"

namespace tml::flashlink {

enum class FileKind : std::uint8_t {
  bundle,   ///< .tmlu: signed already.
  image,    ///< An application image with an ImageHeader at 0x200.
  package,  ///< .tmlm
  tflite,   ///< Must be compiled first (common/model/compile.hpp).
  other,    ///< Anything else: data.
};
[[nodiscard]] FileKind kind_of(std::span<const std::byte> content);
/// "application image", "signed file"
[[nodiscard]] std::string_view name(FileKind kind);

/// What flags say, over what the file says. Texts empty and optionals none: as the file has it.
struct ObjectFlags {
  std::string product;
  std::string name;
  std::optional<std::uint16_t> hardware_first;
  std::optional<std::uint16_t> hardware_last;
  std::optional<std::uint32_t> epoch;    ///< Else 0.
  std::optional<std::uint32_t> version;  ///< As in manifests.
  std::optional<std::uint32_t> slots;    ///< Bit n: may lie in slot n.
  bool data = false;                     ///< Sign the bytes as they are for the data slot, whatever they look like.
};

/// Facts of a manifest for these bytes; nothing about hashes and keys. `where`: for errors. Errc::usage for
/// FileKind::other without `flags.data`, for tflite, and for texts that do not fit; Errc::malformed for an image whose
/// header contradicts it, or a damaged package; Errc::verification for a package whose hash does not match.
[[nodiscard]] Result<wire::flash::Manifest> facts_of(std::span<const std::byte> content, const ObjectFlags& flags,
                                                     std::string_view where);

/// A bundle's objects, or the one object made of the content and signed with `key` (which may be null for bundles
/// only). `unix_s`: Manifest::created_unix_s.
[[nodiscard]] Result<std::vector<SignedObject>> objects_of(std::vector<std::byte> content, const ObjectFlags& flags,
                                                           const SecretKey* key, std::uint64_t unix_s,
                                                           std::string_view where);

/// Largest file that is read.
inline constexpr std::size_t kMaxObjectFile = std::size_t{9} << 20U;
[[nodiscard]] Result<std::vector<std::byte>> load_object_file(const std::string& path);

/// Of shapes, types, scales and zero points of a package's input and output: SHA-256 of two records of 32 bytes
/// (docs/image-format.md, "Manifest").
[[nodiscard]] Hash io_hash(std::span<const std::byte> package_header);

}  // namespace tml::flashlink
