// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Reads an `info.labels` manifest (wire reference 4.5), entry by entry, as one JSON document or as NDJSON: at most one
// entry and one read of 64 KiB are in memory, however many entries there are.
//
// Paths are relative to the folder of the manifest and stay inside it: an absolute path, a `..` that leads out, a NUL
// or an empty path is refused (Errc::malformed), because a manifest that was downloaded must not be able to upload any
// other file of the user. Symbolic links are not looked at here. A backslash is an ordinary character.
//
// Errors: Errc::malformed or Errc::limit with where = "<name>, line 12, file 3, field label.type"; after an error every
// next() returns the same error. Entries before a fault have been handed out by then: read the manifest through once
// before acting on it when all or nothing is wanted. Not thread-safe; may block as its source does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "uploader/parse/labels.hpp"
#include "uploader/parse/source.hpp"

namespace tml::uploader {

struct ManifestEntry {
  std::string path;                      ///< Relative, with `/`, without `.` and `..` components.
  std::string name;                      ///< Sample name without extension; empty: the base name of the path.
  std::string category;                  ///< As sample::parse_category takes it; empty: not said.
  Label label;                           ///< LabelKind::infer when not said.
  KeyValues metadata;                    ///< Texts; numbers and booleans as their text.
  std::vector<Box> boxes;                ///< Fractions of pixels are rounded.
  std::vector<std::string> attachments;  ///< Relative paths under the same rules as `path`.
  std::uint64_t line = 0;                ///< Where the entry begins, from 1.
  std::uint64_t index = 0;               ///< Position among the entries, from 0.
};

struct ManifestLimits {
  std::size_t max_entry_bytes = std::size_t{8} << 20U;  ///< JSON text of one entry.
  std::size_t max_entry_values = 200'000;               ///< JSON values in one entry.
  std::size_t max_text_bytes = 4096;                    ///< A path, name, label, key or metadata value.
  std::uint64_t max_entries = 100'000'000;
};

class ManifestReader {
 public:
  /// `name` stands for the manifest in errors.
  ManifestReader(std::string name, ByteSource source, ManifestLimits limits = {});
  ~ManifestReader();
  ManifestReader(ManifestReader&&) noexcept;
  ManifestReader& operator=(ManifestReader&&) noexcept;

  /// The next entry; empty after the last one, when the document was complete. A `version` other than 1 is
  /// Errc::unsupported.
  [[nodiscard]] Result<std::optional<ManifestEntry>> next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Lexically cleaned relative path ("./a//b" -> "a/b"), or Errc::malformed as described above.
[[nodiscard]] Result<std::string> inside_path(std::string_view path, std::string_view where);

}  // namespace tml::uploader
