// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Request targets taken apart: path segments and query parameters (RFC 3986 sections 2.1 and 3.4). Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tml::httpd {

inline constexpr std::size_t kMaxQueryParameters = 64;

/// Percent-decodes; nothing for a malformed escape. `plus_is_space` as in query strings of HTML forms.
[[nodiscard]] std::optional<std::string> url_decode(std::string_view text, bool plus_is_space = false);

/// Path split at '/', each segment decoded; nothing for a malformed escape or more than 32 segments.
/// "/v1/api/7" gives {"v1", "api", "7"}; empty segments are kept except a last one.
[[nodiscard]] std::optional<std::vector<std::string>> split_path(std::string_view path);

/// Name and value pairs; pairs with malformed escapes and those beyond kMaxQueryParameters are left out.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);
[[nodiscard]] std::optional<std::string> query_value(std::string_view query, std::string_view name);

}  // namespace tml::httpd
