// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/model_slots.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "common/base/file.hpp"
#include "common/wire/model_package.hpp"
#include "firmware/hal/flash_layout.hpp"

namespace tml::fw::native {
namespace {

constexpr std::array<std::string_view, hal::kModelSlots> kNames{"0A", "0B", "1A", "1B"};

std::string slot_title(std::size_t slot) { return "slot " + std::string(kNames[slot]); }

bool holds(hal::Flash& flash, std::uint32_t offset, std::span<const std::uint8_t> bytes) {
  std::vector<std::uint8_t> there(bytes.size());
  return flash.read(offset, there) && std::equal(bytes.begin(), bytes.end(), there.begin());
}

bool store(hal::Flash& flash, hal::FlashRegion region, std::span<const std::uint8_t> bytes) {
  for (std::uint32_t at = 0; at < region.size_bytes; at += hal::kFlashSectorBytes) {
    if (!flash.erase_sector(region.offset + at)) return false;
  }
  for (std::size_t at = 0; at < bytes.size(); at += hal::kFlashPageBytes) {
    const std::size_t count = std::min<std::size_t>(hal::kFlashPageBytes, bytes.size() - at);
    if (!flash.program(region.offset + static_cast<std::uint32_t>(at), bytes.subspan(at, count))) return false;
  }
  return true;
}

}  // namespace

Result<ModelFile> parse_model_spec(const std::string& text) {
  const std::size_t equals = text.find('=');
  std::string name = text.substr(0, equals);
  for (char& letter : name) letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  if (name.size() == 1) name += 'A';
  const auto* const found = std::find(kNames.begin(), kNames.end(), name);
  if (equals == std::string::npos || equals + 1 == text.size() || found == kNames.end()) {
    return fail(Errc::usage, "--model: expected SLOT=FILE", "'" + text + "'",
                "Slots are 0a, 0b, 1a and 1b; 0 is 0a and 1 is 1a");
  }
  return ModelFile{static_cast<std::size_t>(found - kNames.begin()), text.substr(equals + 1)};
}

std::string_view model_slot_name(std::size_t slot) { return kNames[slot]; }

Result<void> load_model(hal::Flash& flash, const ModelFile& model) {
  const hal::FlashRegion region = hal::kModelSlotRegions[model.slot];
  if (flash.size_bytes() < hal::kLayoutFlashBytes) {
    return fail(Errc::unsupported, "--model: a flash of less than 16 MiB has no model slots", model.path.string(),
                "Leave --flash-mib out");
  }
  Result<std::string> content = read_file(model.path, region.size_bytes);
  if (!content && content.error().code == Errc::limit) {
    return fail(Errc::limit,
                "--model: the package does not fit in " + slot_title(model.slot) + " of " +
                    std::to_string(region.size_bytes) + " bytes",
                model.path.string(), "Make the model smaller");
  }
  if (!content) return pass(std::move(content.error()));
  const std::string_view magic(reinterpret_cast<const char*>(wire::model::kMagic.data()), wire::model::kMagic.size());
  if (!content->starts_with(magic)) {
    return fail(Errc::malformed, "--model: not a model package, it does not begin with TMLM", model.path.string(),
                "Make one with tml-flash compile MODEL.tflite -o PACKAGE.tmlm");
  }
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(content->data()), content->size());
  constexpr std::size_t kLengthAt = offsetof(wire::model::Header, total_bytes);
  std::uint32_t length = 0;
  if (bytes.size() >= kLengthAt + sizeof length) std::memcpy(&length, bytes.data() + kLengthAt, sizeof length);
  if (bytes.size() < wire::model::kHeaderBytes || bytes.size() < length) {
    return fail(Errc::malformed,
                "--model: the package is cut off, " + std::to_string(bytes.size()) + " of " +
                    std::to_string(std::max<std::size_t>(length, wire::model::kHeaderBytes)) + " bytes",
                model.path.string(), "Copy it again, or make it again with tml-flash compile");
  }
  if (holds(flash, region.offset, bytes)) return {};
  if (!store(flash, region, bytes)) {
    return fail(Errc::io, "--model: the flash refused the package", slot_title(model.slot));
  }
  return {};
}

}  // namespace tml::fw::native
