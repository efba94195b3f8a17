// SPDX-License-Identifier: Apache-2.0
#include "common/spool/spool.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "common/base/file.hpp"
#include "common/spool/impl.hpp"

namespace tml::spool {

namespace {

// docs/spool.md, "Schema". `payload` is NULL where the bytes are in blobs/<sha256>.
constexpr const char* kSchema1 = R"sql(
CREATE TABLE entries(
  sequence        INTEGER PRIMARY KEY AUTOINCREMENT,
  envelope        TEXT NOT NULL UNIQUE,
  device          TEXT NOT NULL,
  created_ms      INTEGER NOT NULL,
  state           TEXT NOT NULL CHECK(state IN ('pending','held','refused')),
  category        TEXT NOT NULL,
  path            TEXT NOT NULL,
  file_name       TEXT NOT NULL,
  label           TEXT,
  content_type    TEXT NOT NULL,
  headers         TEXT NOT NULL,
  size_bytes      INTEGER NOT NULL,
  sha256          TEXT NOT NULL,
  verification    TEXT NOT NULL,
  attempts        INTEGER NOT NULL DEFAULT 0,
  last_error      TEXT NOT NULL DEFAULT '',
  next_attempt_ms INTEGER NOT NULL DEFAULT 0,
  payload         BLOB
);
CREATE INDEX entries_by_device ON entries(device, sequence) WHERE state <> 'refused';
CREATE INDEX entries_by_hash ON entries(sha256);
CREATE TABLE seen(
  board      TEXT NOT NULL,
  sha256     TEXT NOT NULL,
  file       TEXT NOT NULL,
  envelope   TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  PRIMARY KEY(board, sha256)
) WITHOUT ROWID;
CREATE TABLE intents(
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  board        TEXT NOT NULL,
  label        TEXT NOT NULL,
  category     TEXT NOT NULL,
  path         TEXT NOT NULL,
  sensor       TEXT NOT NULL,
  requested_ms INTEGER NOT NULL
);
CREATE INDEX intents_by_board ON intents(board, id);
CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES('delivered', 0);
)sql";

/// Statement lists that lead from version i to version i + 1. A later layout is added at the end; none is ever changed.
constexpr std::array<const char*, kSchemaVersion> kMigrations = {kSchema1};

constexpr auto kStagedLifetime = std::chrono::hours(1);

Result<void> create_private_file(const std::filesystem::path& path) {
  // SQLite would use the umask; its -wal and -shm files take the mode of this one.
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno(errno, "cannot create spool database", path.string());
  if (::fchmod(fd.get(), 0600) != 0 && errno != EPERM)
    return fail_errno(errno, "cannot set mode of spool database", path.string());
  return {};
}

}  // namespace

Spool::Spool() = default;
Spool::~Spool() = default;

namespace {

/// One process at a time creates, switches to WAL, migrates and sweeps: SQLite answers "busy" at once, whatever the
/// time-out, when two connections change the journal mode of a new database together.
Result<UniqueFd> take_opening_lock(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "open.lock";
  UniqueFd lock(::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!lock.valid()) return fail_errno(errno, "cannot create lock", file.string());
  while (::flock(lock.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return fail_errno(errno, "cannot lock", file.string());
  }
  return lock;
}

}  // namespace

Result<std::unique_ptr<Spool>> Spool::open(SpoolOptions options, Clock& clock, Random& random) {
  std::unique_ptr<Spool> spool(new Spool);
  spool->impl_ = std::make_unique<Impl>(std::move(options), clock, random);
  Impl& impl = *spool->impl_;
  const std::filesystem::path file = impl.options.folder / "spool.db";
  UniqueFd opening;
  if (impl.options.read_only) {
    std::error_code code;
    if (!std::filesystem::exists(file, code))
      return fail(Errc::not_found, "there is no spool in", impl.options.folder.string());
  } else {
    if (auto made = make_private_dir(impl.options.folder); !made) return pass(made.error());
    auto lock = take_opening_lock(impl.options.folder);
    if (!lock) return pass(lock.error());
    opening = std::move(*lock);
    if (auto made = impl.blobs.create_folder(); !made) return pass(made.error());
    if (auto made = create_private_file(file); !made) return pass(made.error());
  }
  auto database = Database::open(file, impl.options.read_only);
  if (!database) return pass(database.error());
  impl.database = std::move(*database);

  if (!impl.options.read_only) {
    if (auto done = impl.database->execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;");
        !done)
      return pass(done.error());
    if (impl.options.max_pages != 0) {
      const std::string limit = "PRAGMA max_page_count=" + std::to_string(impl.options.max_pages);
      if (auto done = impl.database->execute(limit.c_str()); !done) return pass(done.error());
    }
  }
  if (auto current = impl.bring_up_to_date(); !current) return pass(current.error());
  if (impl.options.check_integrity) {
    auto check = impl.database->prepare("PRAGMA quick_check(1)");
    if (!check) return pass(check.error());
    const auto row = check->step();
    if (!row) return pass(row.error());
    if (!*row || check->text(0) != "ok") {
      return fail(Errc::malformed, "the spool database is damaged (" + check->text(0) + "):", file.string(),
                  "Stop the daemon, copy the folder away, and recover it with the sqlite3 tool's .recover");
    }
  }
  if (!impl.options.read_only) {
    if (auto swept = impl.sweep(); !swept) return pass(swept.error());
  }
  return spool;
}

Result<void> Spool::Impl::bring_up_to_date() {
  const auto version = database->scalar("PRAGMA user_version");
  if (!version) return pass(version.error());
  if (*version > kSchemaVersion) {
    return fail(Errc::unsupported,
                "the spool was written by a newer version (layout " + std::to_string(*version) + "):",
                options.folder.string(), "Update this program");
  }
  if (*version == kSchemaVersion) {
    const auto id = database->scalar("PRAGMA application_id");
    if (!id) return pass(id.error());
    if (*id != kApplicationId)
      return fail(Errc::malformed, "not a spool database:", (options.folder / "spool.db").string());
    return {};
  }
  if (options.read_only)
    return fail(Errc::unsupported,
                "the spool has an older layout and is open for reading only:", options.folder.string());

  auto transaction = Transaction::begin(*database);
  if (!transaction) return pass(transaction.error());
  const auto locked_version = database->scalar("PRAGMA user_version");  // Another process may have been faster.
  if (!locked_version) return pass(locked_version.error());
  for (auto next = static_cast<std::size_t>(*locked_version); next < kMigrations.size(); ++next) {
    if (auto migrated = database->execute(kMigrations[next]); !migrated) return pass(migrated.error());
  }
  const std::string stamp = "PRAGMA user_version=" + std::to_string(kSchemaVersion) +
                            "; PRAGMA application_id=" + std::to_string(kApplicationId);
  if (auto stamped = database->execute(stamp.c_str()); !stamped) return pass(stamped.error());
  return transaction->commit();
}

Result<void> Spool::Impl::sweep() {
  std::error_code code;
  auto transaction = Transaction::begin(*database);
  if (!transaction) return pass(transaction.error());
  for (const auto& file : std::filesystem::directory_iterator(blobs.folder(), code)) {
    const std::string name = file.path().filename().string();
    if (name.starts_with("staged.")) {
      // Another process may be writing it right now; after an hour it is not.
      const auto written = file.last_write_time(code);
      if (!code && std::filesystem::file_time_type::clock::now() - written > kStagedLifetime)
        std::filesystem::remove(file.path(), code);
      continue;
    }
    auto used = database->prepare("SELECT 1 FROM entries WHERE sha256=? LIMIT 1");
    if (!used) return pass(used.error());
    used->bind(1, name);
    const auto row = used->step();
    if (!row) return pass(row.error());
    if (!*row) std::filesystem::remove(file.path(), code);
  }
  return transaction->commit();
}

Result<DeliveryLock> DeliveryLock::take(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "delivery.lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno(errno, "cannot open", path.string());
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno(errno, "cannot lock", path.string());
    char pid[32] = {};
    const ssize_t got = ::pread(fd.get(), pid, sizeof pid - 1, 0);
    const std::string holder = got > 0 ? " (process " + std::string(pid, static_cast<std::size_t>(got)) + ")" : "";
    return fail(Errc::busy, "another process" + holder + " delivers from this spool:", folder.string());
  }
  const std::string pid = std::to_string(::getpid());
  // Information for people only: the lock is what counts.
  if (::ftruncate(fd.get(), 0) == 0) static_cast<void>(!::pwrite(fd.get(), pid.data(), pid.size(), 0));
  return DeliveryLock(fd.release());
}

DeliveryLock& DeliveryLock::operator=(DeliveryLock&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

DeliveryLock::~DeliveryLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace tml::spool
