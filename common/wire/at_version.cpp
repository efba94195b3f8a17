// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/at_version.hpp"

#include <array>

#include "common/wire/number.hpp"

namespace tml::wire {

std::optional<AtVersion> parse_at_version(std::string_view text) {
  std::array<std::uint16_t, 3> parts{};
  std::size_t count = 0;
  for (;;) {
    if (count == parts.size()) return std::nullopt;
    const auto dot = text.find('.');
    const auto part = parse_unsigned(text.substr(0, dot), UINT16_MAX);
    if (!part) return std::nullopt;
    parts[count++] = static_cast<std::uint16_t>(*part);
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
  }
  if (count < 2) return std::nullopt;
  return AtVersion{parts[0], parts[1], parts[2]};
}

Result<std::size_t> format_at_version(AtVersion version, std::span<char> out) {
  std::size_t size = 0;
  const std::array<std::uint16_t, 3> parts{version.major, version.minor, version.patch};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) {
      if (size == out.size()) return fail(Errc::overflow);
      out[size++] = '.';
    }
    const auto written = format_unsigned(parts[i], out.subspan(size));
    if (!written) return written;
    size += *written;
  }
  return size;
}

}  // namespace tml::wire
