// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/qemu_factory.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/clock.hpp"
#include "common/base/file.hpp"
#include "common/wire/flash_link.hpp"
#include "firmware/boards/native/board_hal.hpp"
#include "firmware/boards/native/factory.hpp"
#include "firmware/boards/native/firmware_image.hpp"
#include "firmware/hal/flash_layout.hpp"
#include "firmware/update/verify.hpp"

namespace tml::fw::native {
namespace {

using namespace wire::flash;

constexpr std::size_t kMaxFileBytes = 8U << 20U;
constexpr std::uint32_t kAppA = 1U << static_cast<unsigned>(Slot::app_a);
constexpr std::string_view kBundleMagic = "TMLU";

bool for_app_a(const Manifest& manifest) {
  return manifest.object == ObjectClass::app && (manifest.slots & kAppA) != 0 &&
         manifest.payload_bytes <= update::payload_capacity(hal::kAppSlots[0]);
}

std::vector<std::uint8_t> bytes_of(std::span<const std::byte> from) {
  std::vector<std::uint8_t> out(from.size());
  std::transform(from.begin(), from.end(), out.begin(),
                 [](std::byte value) { return std::to_integer<std::uint8_t>(value); });
  return out;
}

Result<SignedImage> image_in(const std::filesystem::path& file) {
  Result<std::string> content = read_file(file, kMaxFileBytes);
  if (!content) return pass(std::move(content.error()));
  const auto bytes = std::as_bytes(std::span(*content));
  const auto misfit = [&file] {
    return fail(Errc::unsupported, "--app: there is no application for slot app-a in this file", file.string(),
                "Give the image that is linked for slot A: tml-mps2-an386-a.bin");
  };
  if (content->starts_with(kBundleMagic)) {
    const auto parsed = parse_bundle(bytes);
    if (!parsed) return fail(Errc::malformed, "--app: this signed file is damaged", file.string());
    for (std::size_t n = 0; n < parsed->count; ++n) {
      const BundleObject& object = parsed->objects[n];
      if (for_app_a(object.manifest))
        return SignedImage{object.manifest, bytes_of(object.list), bytes_of(object.payload)};
    }
    return misfit();
  }
  const auto header = find_image_header(bytes);
  if (!header || !*header) {
    return fail(Errc::malformed, "--app: neither an application's image nor a signed file", file.string(),
                "Give bin/tml-mps2-an386-a.bin of the build");
  }
  SignedImage image = sign_image(bytes_of(bytes));
  if (!for_app_a(image.manifest)) return misfit();
  return image;
}

}  // namespace

Result<void> program_qemu_factory(PsramFile& memory, const std::filesystem::path& file) {
  BoardClock clock(system_clock(), 1);
  Result<SignedImage> image = image_in(file);
  if (!image) return pass(std::move(image.error()));
  if (!needs_factory(memory, clock)) return {};
  return program_factory(memory, clock, *image);
}

}  // namespace tml::fw::native
