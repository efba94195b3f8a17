// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What our firmware can do beyond the ecosystem's protocol, told in one line of AT+INFO that foreign hosts ignore.
//
//   line  = "TML caps:" *( [blank] word [","] )
//   word  = "ranges" / "files" / "streams" / unknown words, which readers skip
//
// ranges: the second argument of READBUFFER and of READRAW-like reads is a length, and the start may be other than 0,
// so that an
//         interrupted read-out goes on where it stopped.
// files:  samples are kept as files under unique names until they are unlinked, so that a read-out can be repeated
// after a reset.
// streams: AT+STREAMSTART sends readings as lines, frames or batches (docs/firmware.md, "Streams").
#pragma once

#include <optional>
#include <string_view>

#include "common/wire/bytes.hpp"

namespace tml::wire {

inline constexpr std::string_view kCapsPrefix = "TML caps:";
inline constexpr std::string_view kCapRanges = "ranges";
inline constexpr std::string_view kCapFiles = "files";
inline constexpr std::string_view kCapStreams = "streams";

struct Caps {
  bool ranges = false;
  bool files = false;
  bool streams = false;
  friend bool operator==(const Caps&, const Caps&) = default;
};

/// "TML caps: ranges,files" with LF. Nothing at all when no capability is set.
void write_caps(const Caps& caps, TextSink out);
/// One line; nothing when it is not a caps line.
[[nodiscard]] std::optional<Caps> parse_caps_line(std::string_view line);
/// Looks through the whole answer to AT+INFO; no caps when there is no such line (a foreign board).
[[nodiscard]] Caps find_caps(std::string_view info);

}  // namespace tml::wire
