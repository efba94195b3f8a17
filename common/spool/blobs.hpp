// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Private to common/spool: payloads too large for the database, one file per content (blobs/<sha256>).
// stage() writes and fsyncs outside any transaction; place() renames within the one that inserts the row; a file
// without a row is removed under the write lock only, so that no other process can be about to refer to it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/error.hpp"

namespace tml::spool {

class Blobs {
 public:
  explicit Blobs(std::filesystem::path folder) : folder_(std::move(folder)) {}

  [[nodiscard]] Result<void> create_folder() const;
  /// Temporary file with the bytes, flushed to the disk.
  [[nodiscard]] Result<std::filesystem::path> stage(std::string_view bytes) const;
  /// Gives a staged file its name and flushes the folder.
  [[nodiscard]] Result<void> place(const std::filesystem::path& staged, const std::string& sha256) const;
  [[nodiscard]] Result<std::string> read(const std::string& sha256, std::size_t size_bytes) const;
  void remove(const std::string& sha256) const;
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] std::filesystem::path path_of(const std::string& sha256) const { return folder_ / sha256; }

 private:
  std::filesystem::path folder_;
};

}  // namespace tml::spool
