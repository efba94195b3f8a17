// SPDX-License-Identifier: Apache-2.0
#include "common/spool/database.hpp"

#include <sqlite3.h>

#include <cerrno>

namespace tml::spool {

namespace {

constexpr int kBusyTimeoutMs = 30'000;

Errc code_for(int result, int system_error) {
  switch (result & 0xFF) {
    case SQLITE_FULL:
      return Errc::disk_full;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Errc::busy;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY:
      return Errc::permission;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Errc::malformed;
    case SQLITE_TOOBIG:
      return Errc::limit;
    case SQLITE_CANTOPEN:
      return system_error == ENOENT ? Errc::not_found : system_error == EACCES ? Errc::permission : Errc::io;
    // SQLite calls only ENOSPC "full"; a quota and a file size limit are the same to the user.
    case SQLITE_IOERR:
      return system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG ? Errc::disk_full : Errc::io;
    default:
      return Errc::failed;
  }
}

/// The errno of the write that failed. In WAL mode that was the log's, and sqlite3_system_errno() does not know of it.
int write_errno(sqlite3* handle) {
  int code = sqlite3_system_errno(handle);
  sqlite3_file* log = nullptr;
  if (code == 0 && sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
      log != nullptr && log->pMethods != nullptr) {
    log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &code);
  }
  return code;
}

}  // namespace

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(int index, std::int64_t value) {
  sqlite3_bind_int64(statement_, index, value);
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  sqlite3_bind_text64(statement_, index, text.data() == nullptr ? "" : text.data(), text.size(), SQLITE_TRANSIENT,
                      SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  sqlite3_bind_blob64(statement_, index, bytes.data() == nullptr ? "" : bytes.data(), bytes.size(), SQLITE_STATIC);
  return *this;
}

Statement& Statement::bind_null(int index) {
  sqlite3_bind_null(statement_, index);
  return *this;
}

Result<bool> Statement::step() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return pass(database_->last_error("spool database:"));
}

Result<void> Statement::run() {
  const auto row = step();
  if (!row) return pass(row.error());
  return {};
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string Statement::text(int column) const {
  // Order matters: the pointer first, then the size of that same form.
  const void* data = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file, bool read_only) {
  sqlite3* handle = nullptr;
  const int flags =
      (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int result = sqlite3_open_v2(file.c_str(), &handle, flags, nullptr);
  std::unique_ptr<Database> database(new Database(handle, file.string()));
  if (result != SQLITE_OK) return pass(database->last_error("cannot open spool database:"));
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  return database;
}

Database::~Database() { sqlite3_close_v2(handle_); }

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr) != SQLITE_OK) {
    return pass(last_error("spool database:"));
  }
  return Statement(*this, statement);
}

Result<void> Database::execute(const char* sql) {
  if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return pass(last_error("spool database:"));
  return {};
}

Result<std::int64_t> Database::scalar(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return pass(statement.error());
  const auto row = statement->step();
  if (!row) return pass(row.error());
  return *row ? statement->integer(0) : 0;
}

std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }
std::int64_t Database::last_row_id() const { return sqlite3_last_insert_rowid(handle_); }

Error Database::last_error(std::string what) const {
  const int result = sqlite3_extended_errcode(handle_);
  const int system_error = (result & 0xFF) == SQLITE_IOERR ? write_errno(handle_) : sqlite3_system_errno(handle_);
  Error error{code_for(result, system_error), what + " " + sqlite3_errmsg(handle_) + ":", where_, {}, {}};
  if ((result & 0xFF) == SQLITE_IOERR && system_error != 0)
    error.cause = std::error_code(system_error, std::generic_category());
  if (error.code == Errc::disk_full) error.hint = "Free some space; nothing was written";
  if (error.code == Errc::busy) error.hint = "Another process holds the spool";
  return error;
}

Result<Transaction> Transaction::begin(Database& database) {
  if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) return pass(begun.error());
  return Transaction(database);
}

Transaction::~Transaction() {
  // A failed commit (a full disk) may have rolled back already; then there is nothing left to undo.
  if (database_ != nullptr) static_cast<void>(database_->execute("ROLLBACK"));
}

Result<void> Transaction::commit() {
  auto committed = database_->execute("COMMIT");
  if (committed) database_ = nullptr;
  return committed;
}

}  // namespace tml::spool
