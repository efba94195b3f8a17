// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// JSON (and CBOR that stands for it) from strangers: parsed within bounds, read without exceptions. Include this in
// .cpp files only (nlohmann/json is heavy).
//
// Bounds: a body is refused (Errc::limit) when it nests deeper or holds more values than allowed, before a tree of it
// exists in full, so that a hostile document costs no more memory than its allowance.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.hpp"

namespace tml {

using Json = nlohmann::json;

struct JsonLimits {
  std::size_t max_depth = 16;
  std::size_t max_values = 20'000;  ///< Objects, arrays, keys and scalars together.
  std::size_t max_bytes = std::size_t{4} << 20U;
};

/// Errc::malformed (with line and column) or Errc::limit; `where` names the source of the text in the error.
[[nodiscard]] Result<Json> parse_json(std::string_view text, std::string_view where, JsonLimits limits = {});

/// The same tree from CBOR (RFC 8949), within the same bounds; a fault is placed by its byte.
[[nodiscard]] Result<Json> parse_cbor(std::string_view bytes, std::string_view where, JsonLimits limits = {});

/// Members of an object without exceptions: empty when the key is missing or of another type.
[[nodiscard]] std::optional<std::string> json_string(const Json& object, std::string_view key);
[[nodiscard]] std::optional<double> json_number(const Json& object, std::string_view key);
[[nodiscard]] std::optional<std::int64_t> json_integer(const Json& object, std::string_view key);
[[nodiscard]] std::optional<bool> json_bool(const Json& object, std::string_view key);
/// Null when the key is missing or `object` is no object.
[[nodiscard]] const Json* json_member(const Json& object, std::string_view key);

/// Compact text; bytes that are no UTF-8 become U+FFFD, so it never throws.
[[nodiscard]] std::string json_text(const Json& value);

}  // namespace tml
