// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Private to uploader/parse: typed reads from a JSON value that name the field at fault. For .cpp files only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/json.hpp"
#include "uploader/parse/labels.hpp"

namespace tml::uploader {

/// Errc::malformed, "<where>, field <field>".
[[nodiscard]] tl::unexpected<Error> bad_field(std::string what, const std::string& where, std::string_view field);

/// A text of at most `max_bytes` without NUL.
[[nodiscard]] Result<std::string> text_of(const Json& value, const std::string& where, std::string_view field,
                                          std::size_t max_bytes);
/// A flat object of texts, numbers and booleans, each as its text; sorted by key.
[[nodiscard]] Result<KeyValues> text_members(const Json& value, const std::string& where, std::string_view field,
                                             std::size_t max_bytes);
/// A list of boxes {label, x, y, width, height} in pixels; fractions are rounded, which must leave an area.
[[nodiscard]] Result<std::vector<Box>> boxes_of(const Json& value, const std::string& where, std::string_view field,
                                                std::size_t max_bytes);
/// A finite number within +-2^31.
[[nodiscard]] std::optional<double> coordinate_of(const Json& object, std::string_view key);

}  // namespace tml::uploader
