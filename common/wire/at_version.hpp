// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The AT command set's version, "M.m.p" (wire reference 1.5).
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/wire/errc.hpp"

namespace tml::wire {

struct AtVersion {
  std::uint16_t major = 1;
  std::uint16_t minor = 0;
  std::uint16_t patch = 0;
  friend constexpr auto operator<=>(const AtVersion&, const AtVersion&) = default;
};

/// What a board without a version line is taken for.
inline constexpr AtVersion kAssumedAtVersion{1, 0, 0};
/// What our firmware reports; the incumbent's host refuses anything above 1.8.
inline constexpr AtVersion kOurAtVersion{1, 8, 0};

/// "1.8.0", also "1.8"; nothing else.
[[nodiscard]] std::optional<AtVersion> parse_at_version(std::string_view text);
/// "M.m.p"; number of characters. 17 are always enough.
[[nodiscard]] Result<std::size_t> format_at_version(AtVersion version, std::span<char> out);
/// True when the incumbent's host would talk to such a board (major <= 1 and minor <= 8).
[[nodiscard]] constexpr bool incumbent_accepts(AtVersion version) { return version.major <= 1 && version.minor <= 8; }

}  // namespace tml::wire
