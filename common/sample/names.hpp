// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Labels, categories and file names as the ingestion API understands them. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.hpp"
#include "common/sample/document.hpp"

namespace tml::sample {

/// Categories of the ingestion endpoints (wire reference 5).
enum class Category : std::uint8_t { training, testing, anomaly, validation, post_processing, split };

/// "training" ... "post-processing", as in URLs.
[[nodiscard]] std::string_view category_name(Category category);
/// Exact name; Errc::usage lists the choices.
[[nodiscard]] Result<Category> parse_category(std::string_view name);
/// From a request path such as "/api/training/data"; empty when no category stands in it.
[[nodiscard]] std::optional<Category> category_from_path(std::string_view path);

/// Training or testing from the content (wire reference 4.6): MD5 in hex, leading 'f' dropped, first digit 0-b =
/// training, c-e = testing. Errc::malformed in the one case the rule leaves open (32 times 'f').
[[nodiscard]] Result<Category> split_category(Bytes content);
[[nodiscard]] Result<Category> split_category_from_md5(std::string_view md5_hex);

/// Longest prefix of letters, digits, blanks, '-' and '_' of the base name (wire reference 4.4): "idle.01.wav" ->
/// "idle". May be empty.
[[nodiscard]] std::string label_from_file_name(std::string_view file_name);

/// What stands after the last '/'.
[[nodiscard]] std::string_view base_name(std::string_view path);

/// encodeURIComponent: everything but A-Z a-z 0-9 - _ . ! ~ * ' ( ) becomes %XX (wire reference 2.7). Bytes are taken
/// as they are.
[[nodiscard]] std::string percent_encode(std::string_view text);
/// The reverse; text with a malformed escape, or one that decodes to invalid UTF-8, comes back as it is (wire reference
/// 5).
[[nodiscard]] std::string percent_decode(std::string_view text);

}  // namespace tml::sample
