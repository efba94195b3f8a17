// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Writes info.labels (wire reference 4.5) entry by entry, so that a million samples need no memory: one JSON object, or
// NDJSON. The file gets its name in finish(); what was interrupted before stays as info.labels.part.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/error.hpp"
#include "common/base/file.hpp"

namespace tml::server {

class ManifestWriter {
 public:
  [[nodiscard]] static Result<ManifestWriter> create(const std::filesystem::path& folder, bool ndjson);
  /// `entry`: one JSON object without line ends.
  [[nodiscard]] Result<void> add(std::string_view entry);
  [[nodiscard]] Result<void> finish();

 private:
  ManifestWriter(std::filesystem::path folder, UniqueFd file, bool ndjson);
  [[nodiscard]] Result<void> flush();

  std::filesystem::path folder_;
  UniqueFd file_;
  bool ndjson_;
  bool first_ = true;
  std::string buffer_;
};

/// All bytes, also after interruptions and short writes. Errc of errno.
[[nodiscard]] Result<void> write_fully(int fd, std::string_view bytes, const std::filesystem::path& path);

}  // namespace tml::server
