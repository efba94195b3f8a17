// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/sqlite.hpp"

#include <sqlite3.h>
#include <sys/stat.h>

namespace tml::server {
namespace {

Errc code_for(int sqlite_code) {
  switch (sqlite_code & 0xFF) {
    case SQLITE_FULL:
      return Errc::disk_full;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::busy;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return Errc::permission;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::verification;
    case SQLITE_CANTOPEN:
      return Errc::not_found;
    default:
      return Errc::io;
  }
}

Error error_of(sqlite3* db, int code) {
  const char* text = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  return Error{code_for(code), std::string("the database refused: ") + text, "samples.db", {}, {}};
}

}  // namespace

Query::Query(Query&& other) noexcept
    : db_(other.db_), statement_(std::exchange(other.statement_, nullptr)), code_(other.code_) {}

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

Query& Query::bind(int at, std::int64_t value) {
  sqlite3_bind_int64(statement_, at, value);
  return *this;
}

Query& Query::bind(int at, double value) {
  sqlite3_bind_double(statement_, at, value);
  return *this;
}

Query& Query::bind(int at, std::string_view text) {
  sqlite3_bind_text64(statement_, at, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
  return *this;
}

Query& Query::bind(int at, const std::optional<std::string>& text) {
  if (text) return bind(at, std::string_view(*text));
  sqlite3_bind_null(statement_, at);
  return *this;
}

Query& Query::bind(int at, std::optional<std::int64_t> value) {
  if (value) return bind(at, *value);
  sqlite3_bind_null(statement_, at);
  return *this;
}

Query& Query::bind_blob(int at, std::string_view bytes) {
  sqlite3_bind_blob64(statement_, at, bytes.data() == nullptr ? "" : bytes.data(), bytes.size(), SQLITE_STATIC);
  return *this;
}

bool Query::row() {
  if (statement_ == nullptr) {
    code_ = SQLITE_ERROR;
    return false;
  }
  code_ = sqlite3_step(statement_);
  return code_ == SQLITE_ROW;
}

Result<void> Query::run() {
  while (row()) {
  }
  if (auto failed = error()) return pass(std::move(*failed));
  return {};
}

std::optional<Error> Query::error() const {
  if (code_ == SQLITE_DONE || code_ == SQLITE_ROW || (code_ == SQLITE_OK && statement_ != nullptr)) return std::nullopt;
  return error_of(db_, code_);
}

std::int64_t Query::integer(int column) const { return sqlite3_column_int64(statement_, column); }
double Query::real(int column) const { return sqlite3_column_double(statement_, column); }
bool Query::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

std::string_view Query::text(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  if (data == nullptr || size <= 0) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(size)};
}

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file, Mode mode) {
  int flags = SQLITE_OPEN_NOMUTEX;
  if (mode == Mode::create) flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  // A reader of a WAL database needs to write the shared-memory index; query_only keeps it from writing anything else.
  if (mode != Mode::create) flags |= SQLITE_OPEN_READWRITE;
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &raw, flags, nullptr);
  if (code != SQLITE_OK) {
    Error error = error_of(raw, code);
    error.where = file.string();
    sqlite3_close(raw);
    return pass(std::move(error));
  }
  auto db = std::unique_ptr<Database>(new Database(raw));
  if (mode == Mode::create) ::chmod(file.c_str(), 0600);
  sqlite3_busy_timeout(raw, 5000);
  // 8 KiB pages: a 10 KB document then needs one overflow page. The WAL is folded back every 32 MB, not every 4.
  auto ready = db->exec(
      "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
      "PRAGMA wal_autocheckpoint=4096; PRAGMA journal_size_limit=67108864; PRAGMA temp_store=MEMORY");
  if (ready && mode == Mode::create) ready = db->exec("PRAGMA cache_size=-32768");
  if (ready && mode == Mode::read_only) ready = db->exec("PRAGMA query_only=ON; PRAGMA cache_size=-8192");
  if (!ready) return pass(ready.error());
  return db;
}

Database::~Database() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

Query Database::query(const char* sql) {
  auto found = statements_.find(sql);
  if (found == statements_.end()) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
      return Query(db_, nullptr);
    }
    found = statements_.emplace(sql, statement).first;
  }
  return Query(db_, found->second);
}

Result<void> Database::exec(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return pass(error_of(db_, code));
  return {};
}

std::int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(db_); }
bool Database::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

std::int64_t Database::data_version() {
  Query version = query("PRAGMA data_version");
  return version.row() ? version.integer(0) : -1;
}

}  // namespace tml::server
