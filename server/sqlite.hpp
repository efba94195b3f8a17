// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A thin owner of SQLite handles. One Database belongs to one thread at a time; prepared statements are kept and used
// again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/base/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace tml::server {

/// One run of a prepared statement. Bind by position (from 1), then row() until false, then error().
/// Bound texts and blobs are borrowed until the Query goes. Column views live until the next row().
class Query {
 public:
  Query(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}
  Query(Query&& other) noexcept;
  Query& operator=(Query&&) = delete;
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;
  ~Query();

  Query& bind(int at, std::int64_t value);
  Query& bind(int at, double value);
  Query& bind(int at, std::string_view text);
  Query& bind(int at, const std::optional<std::string>& text);
  Query& bind(int at, std::optional<std::int64_t> value);
  Query& bind_blob(int at, std::string_view bytes);

  /// True while there is a row. False at the end and on errors.
  [[nodiscard]] bool row();
  /// Runs to the end; for statements without rows.
  [[nodiscard]] Result<void> run();
  /// What stopped row(), if it was not the end.
  [[nodiscard]] std::optional<Error> error() const;

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] double real(int column) const;
  [[nodiscard]] std::string_view text(int column) const;  ///< Blobs too; empty for NULL.
  [[nodiscard]] bool is_null(int column) const;

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_;
  int code_ = 0;
};

class Database {
 public:
  enum class Mode { create, existing, read_only };
  /// WAL, synchronous=FULL, foreign keys on, 5 s busy time-out. Errc::not_found, permission, disk_full, io.
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(const std::filesystem::path& file, Mode mode);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// `sql` must outlive the Database (a literal): it is the key of the statement cache.
  [[nodiscard]] Query query(const char* sql);
  [[nodiscard]] Result<void> exec(const char* sql);
  [[nodiscard]] std::int64_t last_insert_id() const;
  [[nodiscard]] bool in_transaction() const;
  /// Changes when another connection (another process, or another thread's) committed.
  [[nodiscard]] std::int64_t data_version();

 private:
  explicit Database(sqlite3* db) : db_(db) {}
  sqlite3* db_;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

}  // namespace tml::server
