// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/caps.hpp"

#include "common/wire/text.hpp"

namespace tml::wire {

void write_caps(const Caps& caps, TextSink out) {
  std::string_view before = " ";
  const auto word = [&before, &out](bool has, std::string_view name) {
    if (!has) return;
    if (before == " ") out(kCapsPrefix);
    out(before);
    out(name);
    before = ",";
  };
  word(caps.ranges, kCapRanges);
  word(caps.files, kCapFiles);
  word(caps.streams, kCapStreams);
  if (before != " ") out("\n");
}

std::optional<Caps> parse_caps_line(std::string_view line) {
  line = trim(line);
  if (!line.starts_with(kCapsPrefix)) return std::nullopt;
  line.remove_prefix(kCapsPrefix.size());
  Caps caps;
  while (!line.empty()) {
    const auto end = line.find_first_of(", \t");
    const auto word = line.substr(0, end);
    caps.ranges = caps.ranges || word == kCapRanges;
    caps.files = caps.files || word == kCapFiles;
    caps.streams = caps.streams || word == kCapStreams;
    if (end == std::string_view::npos) break;
    line.remove_prefix(end + 1);
  }
  return caps;
}

Caps find_caps(std::string_view info) {
  LineCursor lines(info);
  while (const auto line = lines.next()) {
    if (const auto caps = parse_caps_line(*line)) return *caps;
  }
  return {};
}

}  // namespace tml::wire
