// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Small text helpers shared by the parsers: ASCII only, views in, views out.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace tml::wire {

/// Without blanks, tabs, CR and LF at both ends.
[[nodiscard]] std::string_view trim(std::string_view text);
[[nodiscard]] constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
/// ASCII case-insensitive equality.
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] constexpr bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}
/// True when the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF).
[[nodiscard]] bool is_utf8(std::string_view text);

/// Splits off lines that end in CR, LF or CRLF; the last one may be unterminated. Empty lines are returned too.
class LineCursor {
 public:
  explicit LineCursor(std::string_view text) : rest_(text) {}
  /// The next line without its end, or nothing after the last.
  [[nodiscard]] std::optional<std::string_view> next();

 private:
  std::string_view rest_;
};

}  // namespace tml::wire
