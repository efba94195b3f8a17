// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Private to common/spool: the little of SQLite's interface that the spool needs, as values and Results. One thread per
// Database.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace tml::spool {

class Database;

/// A prepared statement, reset when it goes out of scope of its use. Parameters count from 1, columns from 0.
class Statement {
 public:
  Statement(Database& database, sqlite3_stmt* statement) : database_(&database), statement_(statement) {}
  Statement(Statement&& other) noexcept
      : database_(other.database_), statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&&) = delete;
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  ~Statement();

  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, std::string_view text);        ///< Copied by SQLite.
  Statement& bind_blob(int index, std::string_view bytes);  ///< Borrowed until the statement goes.
  Statement& bind_null(int index);

  /// true = a row is there.
  [[nodiscard]] Result<bool> step();
  /// For statements without rows.
  [[nodiscard]] Result<void> run();

  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;
  [[nodiscard]] bool is_null(int column) const;

 private:
  Database* database_;
  sqlite3_stmt* statement_;
};

class Database {
 public:
  /// `read_only` opens an existing database without ever writing to it.
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(const std::filesystem::path& file, bool read_only);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  [[nodiscard]] Result<Statement> prepare(std::string_view sql);
  /// Several statements without parameters.
  [[nodiscard]] Result<void> execute(const char* sql);
  /// First column of the first row of a query without parameters; 0 without a row.
  [[nodiscard]] Result<std::int64_t> scalar(std::string_view sql);
  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t last_row_id() const;
  /// What SQLite reports last, as an Error.
  [[nodiscard]] Error last_error(std::string what) const;

 private:
  Database(sqlite3* handle, std::string where) : handle_(handle), where_(std::move(where)) {}
  sqlite3* handle_;
  std::string where_;
};

/// BEGIN IMMEDIATE ... COMMIT; rolled back when it goes without commit().
class Transaction {
 public:
  [[nodiscard]] static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  [[nodiscard]] Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace tml::spool
