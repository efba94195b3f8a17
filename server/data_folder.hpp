// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The folder (0700) that holds everything a server knows: samples.db, blobs/, tmp/, lock, credentials.json
// (docs/server.md).
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "common/base/clock.hpp"
#include "common/base/file.hpp"
#include "common/base/random.hpp"
#include "server/sqlite.hpp"

namespace tml::server {

struct DataFolder {
  std::filesystem::path root;
  UniqueFd lock;  ///< Held by `serve` for as long as it runs.

  [[nodiscard]] std::filesystem::path database() const { return root / "samples.db"; }
  [[nodiscard]] std::filesystem::path blobs() const { return root / "blobs"; }
  [[nodiscard]] std::filesystem::path temp() const { return root / "tmp"; }
  [[nodiscard]] std::filesystem::path credentials() const { return root / "credentials.json"; }
};

/// Creates what is missing and takes the lock. Errc::busy when another server holds it, with its process id.
[[nodiscard]] Result<DataFolder> open_for_serving(const std::filesystem::path& root);
/// For the other commands, which may run beside a server. Errc::not_found when no server ever ran on it.
[[nodiscard]] Result<DataFolder> open_existing(const std::filesystem::path& root);

struct Addresses {
  std::string api;
  std::string remote_management;
  std::string ingestion;
};

/// On an empty database: first user, project, API key and HMAC key, written to credentials.json (0600) before they are
/// committed. Returns whether it did.
[[nodiscard]] Result<bool> create_first_project(Database& db, const DataFolder& folder, const Addresses& addresses,
                                                Random& random, const Clock& clock);

}  // namespace tml::server
