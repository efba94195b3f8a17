// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Private to common/spool: what the units of Spool share.
#pragma once

#include <memory>
#include <string>

#include "common/spool/blobs.hpp"
#include "common/spool/database.hpp"
#include "common/spool/spool.hpp"

namespace tml::spool {

/// Of the layout that this code writes; kept in PRAGMA user_version.
inline constexpr int kSchemaVersion = 1;
/// "TMLS": tells a spool from any other SQLite file (PRAGMA application_id).
inline constexpr int kApplicationId = 0x544D4C53;

/// Columns of an EntryInfo, in the order that read_entry() takes them.
inline constexpr const char* kEntryColumns =
    "e.sequence, e.envelope, e.device, e.created_ms, e.state, e.category, e.path, e.file_name, e.label, "
    "e.content_type, e.headers, "
    "e.size_bytes, e.sha256, e.verification, e.attempts, e.last_error, e.next_attempt_ms";

struct Spool::Impl {
  Impl(SpoolOptions given, Clock& given_clock, Random& given_random)
      : options(std::move(given)), clock(given_clock), random(given_random), blobs(options.folder / "blobs") {}

  SpoolOptions options;
  Clock& clock;
  Random& random;
  Blobs blobs;
  std::unique_ptr<Database> database;

  /// Creates or migrates; under the write lock, so that two processes starting together do it once.
  [[nodiscard]] Result<void> bring_up_to_date();
  /// Removes blob files that no row names, and staged files of processes that died.
  [[nodiscard]] Result<void> sweep();
  /// In a transaction of the caller's: removes the row and says whether its blob file is now unused.
  [[nodiscard]] Result<bool> erase(const EntryInfo& entry);
  /// After that transaction: unlinks the blob unless someone refers to it again.
  void release_blob(const std::string& sha256);
  [[nodiscard]] Result<std::vector<EntryInfo>> query(Statement& statement);
  [[nodiscard]] Result<EntryInfo> find(const std::string& envelope);
};

[[nodiscard]] Result<EntryInfo> read_entry(const Statement& row);
[[nodiscard]] std::string headers_to_json(const std::vector<std::pair<std::string, std::string>>& headers);
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> headers_from_json(const std::string& text);

}  // namespace tml::spool
