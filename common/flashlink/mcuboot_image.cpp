// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/mcuboot_image.hpp"

#include <algorithm>

#include "common/wire/manifest.hpp"

namespace tml::flashlink {
namespace {

// MCUboot, "Image format": header of 32 bytes, image, protected TLVs, TLVs.
constexpr std::uint32_t kMagic = 0x96f3b83d;
constexpr std::uint32_t kTlvMagic = 0x6907;
constexpr std::uint32_t kTlvSha256 = 0x10;
constexpr std::size_t kHeaderBytes = 32;
constexpr std::size_t kTlvHead = 4;

std::uint32_t number(std::span<const std::byte> bytes, std::uint64_t at, std::size_t count) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value |= static_cast<std::uint32_t>(bytes[at + i]) << (8 * i);
  return value;
}

std::vector<ImageHash> mcuboot_hash(std::span<const std::byte> file) {
  const std::uint64_t tlv = std::uint64_t{number(file, 8, 2)} + number(file, 12, 4) + number(file, 10, 2);
  if (tlv + kTlvHead > file.size() || number(file, tlv, 2) != kTlvMagic) return {};
  const std::uint64_t end = std::min<std::uint64_t>(tlv + number(file, tlv + 2, 2), file.size());
  for (std::uint64_t at = tlv + kTlvHead; at + kTlvHead <= end;) {
    const std::uint32_t size = number(file, at + 2, 2);
    if (number(file, at, 2) == kTlvSha256) {
      ImageHash hash{};
      if (size != hash.size() || at + kTlvHead + size > end) return {};
      for (std::size_t i = 0; i < hash.size(); ++i) hash[i] = static_cast<std::uint8_t>(file[at + kTlvHead + i]);
      return {hash};
    }
    at += kTlvHead + size;
  }
  return {};
}

}  // namespace

std::vector<ImageHash> image_hashes(std::span<const std::byte> file) {
  if (file.size() >= kHeaderBytes && number(file, 0, 4) == kMagic) return mcuboot_hash(file);
  const wire::Result<wire::flash::Bundle> bundle = wire::flash::parse_bundle(file);
  std::vector<ImageHash> hashes;
  if (!bundle) return hashes;
  for (std::size_t i = 0; i < bundle->count; ++i) hashes.push_back(bundle->objects[i].manifest.payload_hash);
  return hashes;
}

}  // namespace tml::flashlink
