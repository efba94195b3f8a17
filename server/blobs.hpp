// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Large payloads as files named by their content: blobs/ab/<sha256 in hex>. A file that stands under its name is whole:
// it was written beside, fsynced, renamed, and its folder fsynced, all before the row that names it is committed. Any
// thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/error.hpp"
#include "common/httpd/types.hpp"

namespace tml::server {

/// Payloads up to this size stand in the database.
inline constexpr std::size_t kInlineBytes = 64 * 1024;

class Blobs {
 public:
  explicit Blobs(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// Returns when the content is durable. Errc::disk_full, Errc::io.
  [[nodiscard]] Result<void> put(const std::string& sha256_hex, std::string_view bytes) const;
  /// A mapping of the file. Errc::not_found.
  [[nodiscard]] Result<std::shared_ptr<const httpd::Body>> get(const std::string& sha256_hex) const;
  [[nodiscard]] std::filesystem::path path_of(const std::string& sha256_hex) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace tml::server
