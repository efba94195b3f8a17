// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Manifests, key sets, image headers and bundles from any bytes. What a bundle gives lies inside the file.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "common/wire/manifest.hpp"

using namespace tml::wire::flash;  // NOLINT(google-build-using-namespace): one file, all of it

namespace {

bool inside(std::span<const std::byte> part, std::span<const std::byte> whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void manifest(std::span<const std::byte> bytes) {
  const auto parsed = parse_manifest(bytes);
  if (!parsed) return;
  if (std::memcmp(&*parsed, bytes.data(), kManifestBytes) != 0) std::abort();
  if (parsed->chunk_count > 256 || parsed->payload_bytes == 0 || parsed->slots > 0x7F) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  manifest(bytes);
  // From a valid one, so that what comes behind the first checks is reached too.
  Manifest good;
  good.object = ObjectClass::model;
  good.slots = 0b111100;
  good.payload_bytes = 5000;
  good.chunk_count = 2;
  std::array<std::byte, kManifestBytes> changed{};
  std::memcpy(changed.data(), &good, changed.size());
  for (std::size_t i = 0; i + 2 < size; i += 3) changed[(data[i] + 256U * data[i + 1]) % changed.size()] = bytes[i + 2];
  manifest(changed);
  if (const auto set = parse_key_set(bytes); set && (set->count == 0 || set->count > kMaxKeys)) std::abort();
  std::vector<std::byte> image(kImageHeaderOffset);
  image.insert(image.end(), bytes.begin(), bytes.end());
  if (const auto header = find_image_header(image); header && *header && (*header)->image_bytes > image.size())
    std::abort();
  if (const auto bundle = parse_bundle(bytes)) {
    if (bundle->count == 0 || bundle->count > kMaxBundleObjects) std::abort();
    for (const BundleObject& object : std::span(bundle->objects).first(bundle->count)) {
      if (!inside(object.payload, bytes) || !inside(object.list, bytes) || !inside(object.manifest_bytes, bytes))
        std::abort();
      if (object.payload.size() != object.manifest.payload_bytes) std::abort();
    }
  }
  return 0;
}
