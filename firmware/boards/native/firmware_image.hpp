// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Application images of the virtual board, signed with the development key. The application itself is built into
// tml-board; an image is its name plate: an ImageHeader (common/wire/manifest.hpp) at 0x200 with version and behaviour,
// and a filler that no compression makes smaller.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/wire/manifest.hpp"
#include "firmware/hal/flash.hpp"

namespace tml::fw::native {

inline constexpr std::string_view kProductName = "tml-virtual";
inline constexpr std::size_t kDefaultImageBytes = 16384;
inline constexpr std::size_t kMinImageBytes = wire::flash::kImageHeaderOffset + wire::flash::kImageHeaderBytes;
inline constexpr std::size_t kMaxImageBytes = 1U << 20U;  ///< What a manifest can list; an application slot is smaller.

/// An image of the virtual board runs wherever it lies, unless its header says that it is linked for one slot.
inline constexpr std::uint32_t kBothAppSlots = 0x3;

/// ImageHeader::behaviour.
enum class Behaviour : std::uint32_t {
  good = 0,
  crash = 1,  ///< Resets as soon as it is started.
  hang = 2,   ///< Does nothing, and does not feed the watchdog.
  mute = 3,   ///< Feeds the watchdog, reads its line and answers nothing.
};
[[nodiscard]] std::string_view name(Behaviour behaviour);
/// "good", "crash", "hang", "mute".
[[nodiscard]] std::optional<Behaviour> behaviour_named(std::string_view text);

/// "1.2.3" -> major << 24 | minor << 16 | patch; at most 255.255.65535.
[[nodiscard]] std::optional<std::uint32_t> parse_version(std::string_view text);
[[nodiscard]] std::string version_text(std::uint32_t version);

struct ImageSpec {
  std::uint32_t version = 0;
  Behaviour behaviour = Behaviour::good;
  std::size_t bytes = kDefaultImageBytes;  ///< kMinImageBytes to kMaxImageBytes.
  std::uint64_t seed = 0;                  ///< Of the filler.
  std::string product{kProductName};       ///< At most 23 characters.
  std::uint32_t slots = kBothAppSlots;     ///< ImageHeader::slots.
  std::uint32_t arena_bytes = 0;           ///< Contract of the built-in application.
  std::uint64_t kernels = 0;
};

[[nodiscard]] std::vector<std::uint8_t> make_image(const ImageSpec& spec);

/// The object of a .tmlu file: manifest, chunk list and payload.
struct SignedImage {
  wire::flash::Manifest manifest;
  std::vector<std::uint8_t> list;
  std::vector<std::uint8_t> payload;
};
/// Takes the facts of the manifest from the image's header, which it has, and signs with the development key.
[[nodiscard]] SignedImage sign_image(std::vector<std::uint8_t> image);

/// A .tmlu file with the one object.
[[nodiscard]] std::string bundle(const SignedImage& image);

/// Writes the image, or with the ending .tmlu the signed file. Errc::io and its like of the file system.
[[nodiscard]] Result<void> write_image(const std::filesystem::path& path, const ImageSpec& spec);

/// "TML-ED25519-PUBLIC-1", a line end, the key in base64; what follows is not looked at.
[[nodiscard]] std::optional<std::array<std::uint8_t, wire::flash::kKeyBytes>> parse_public_key(std::string_view text);
/// The file's. Errc::not_found, Errc::malformed.
[[nodiscard]] Result<std::array<std::uint8_t, wire::flash::kKeyBytes>> read_public_key(
    const std::filesystem::path& path);

/// The header of what lies in a slot; nothing when there is none.
[[nodiscard]] std::optional<wire::flash::ImageHeader> read_image_header(hal::Flash& flash, std::uint32_t slot_offset);

}  // namespace tml::fw::native
