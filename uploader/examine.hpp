// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What is asked of a file before it travels, for an upload and for --dry-run alike: that it can be opened, its size,
// and what its content must be. Blocking.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "uploader/file_bytes.hpp"
#include "uploader/options.hpp"
#include "uploader/parse/csv_check.hpp"
#include "uploader/upload.hpp"

namespace tml::uploader {

inline constexpr std::uint64_t kMaxFileBytes = std::uint64_t{100} << 20U;  ///< Wire reference 4.2.
inline constexpr std::uint64_t kMaxTableBytes = std::uint64_t{2} << 30U;   ///< The same, with a CSV wizard.

struct FileRules {
  std::uint64_t max_file_bytes = kMaxFileBytes;
  std::uint64_t max_table_bytes = kMaxTableBytes;  ///< The same for .csv and .txt.
  CsvDescription csv;
  bool check_csv = false;      ///< Refuse .csv files without description that break the rules (csv_check.hpp).
  bool check_wav = false;      ///< Refuse broken .wav files.
  bool wav_documents = false;  ///< .wav files become acquisition documents, and must be fit for it.

  /// .txt is a table only where somebody describes it.
  [[nodiscard]] bool describes(const Upload& upload) const;
  [[nodiscard]] bool makes_document(const Upload& upload) const;
};

/// As the flags say, for a server that takes what the service takes.
[[nodiscard]] FileRules rules_of(const Options& options);

/// Upload::problem; the errors of FileBytes::open; Errc::malformed for an empty file, Errc::limit for one too large.
[[nodiscard]] Result<std::shared_ptr<FileBytes>> open_upload(const Upload& upload, const FileRules& rules);

/// What the whole content must be fed to; nothing where nobody looks into it. What a manifest describes was looked at
/// when it was made.
[[nodiscard]] std::optional<CsvChecker> csv_checker(const Upload& upload, const FileRules& rules);

/// Looks at the header of a .wav file, where the rules ask for it. Errors of check_wav().
[[nodiscard]] Result<void> examine_wav(const Upload& upload, const FileBytes& file, const FileRules& rules);

/// Errors of FileBytes::open; Errc::limit.
[[nodiscard]] Result<std::shared_ptr<FileBytes>> open_attachment(const std::string& path, std::uint64_t max_bytes);

}  // namespace tml::uploader
