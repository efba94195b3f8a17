// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Puts model packages into the slots of a board's flash at start, until a host can do it over the line.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/error.hpp"
#include "firmware/hal/flash.hpp"

namespace tml::fw::native {

struct ModelFile {
  std::size_t slot = 0;  ///< Index into hal::kModelSlotRegions.
  std::filesystem::path path;
};

/// "0=FILE", "1b=FILE": slots 0, 0a, 0b, 1, 1a, 1b, where 0 is 0a and 1 is 1a. Errc::usage for anything else.
[[nodiscard]] Result<ModelFile> parse_model_spec(const std::string& text);

/// "0A" for slot 0.
[[nodiscard]] std::string_view model_slot_name(std::size_t slot);

/// Erases the slot and programs the package, or leaves it alone when it is there already. Only the magic is checked
/// here: the firmware checks the rest before it runs. Errc::not_found, Errc::limit (larger than the slot),
/// Errc::malformed (no package), Errc::unsupported (a flash without slots), Errc::io.
[[nodiscard]] Result<void> load_model(hal::Flash& flash, const ModelFile& model);

}  // namespace tml::fw::native
