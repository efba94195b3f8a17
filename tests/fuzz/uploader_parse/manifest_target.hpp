// SPDX-License-Identifier: Apache-2.0
// Any bytes as a manifest: the same whole and in pieces, every accepted path inside the folder, every box with an area.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "uploader/parse/manifest.hpp"

namespace tml::fuzz {

struct ManifestOutcome {
  std::vector<std::string> paths;
  std::string error;
  friend bool operator==(const ManifestOutcome&, const ManifestOutcome&) = default;
};

inline ManifestOutcome read_manifest(std::string_view text, std::size_t step) {
  uploader::ManifestLimits limits;
  limits.max_entry_bytes = 4096;
  uploader::ManifestReader reader("m", uploader::text_source(text, step), limits);
  ManifestOutcome out;
  while (true) {
    auto entry = reader.next();
    if (!entry) out.error = entry.error().message();
    if (!entry || !*entry) return out;
    const std::string& path = (*entry)->path;
    if (path.empty() || path.front() == '/' || ("/" + path + "/").find("/../") != std::string::npos) std::abort();
    for (const auto& box : (*entry)->boxes) {
      if (box.width <= 0 || box.height <= 0) std::abort();
    }
    std::uint64_t next = 0;
    for (const auto& range : (*entry)->label.ranges) {
      if (range.start_index != next || range.end_index < range.start_index) std::abort();
      next = range.end_index + 1;
    }
    if ((*entry)->index != out.paths.size() || (*entry)->line == 0) std::abort();
    out.paths.push_back(path);
  }
}

inline void run_manifest(std::string_view text) {
  const ManifestOutcome whole = read_manifest(text, SIZE_MAX);
  // A piece that is over its bound may be noticed a little earlier or later.
  if (text.size() < 4096 && read_manifest(text, 3) != whole) std::abort();
}

}  // namespace tml::fuzz
