// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/data_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "server/keyring.hpp"

namespace tml::server {
namespace {

Result<UniqueFd> lock_folder(const std::filesystem::path& root) {
  const std::filesystem::path file = root / "lock";
  UniqueFd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return fail_errno(errno, "cannot open", file.string());
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail_errno(errno, "cannot lock", file.string());
    std::array<char, 32> holder{};
    const ssize_t size = ::pread(fd.get(), holder.data(), holder.size() - 1, 0);
    const std::string pid = size > 0 ? " (process " + std::string(holder.data()) + ")" : std::string();
    return fail(Errc::busy, "another tml-server uses the data folder" + pid, root.string(),
                "Stop it, or choose another --data.");
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0) {
    return fail_errno(errno, "cannot write", file.string());
  }
  return fd;
}

}  // namespace

Result<DataFolder> open_for_serving(const std::filesystem::path& root) {
  DataFolder folder;
  folder.root = root;
  if (auto made = make_private_dir(root); !made) return pass(made.error());
  auto lock = lock_folder(root);
  if (!lock) return pass(lock.error());
  folder.lock = std::move(*lock);
  for (const auto& path : {folder.blobs(), folder.temp()}) {
    if (auto made = make_private_dir(path); !made) return pass(made.error());
  }
  // What a killed server left half written is nobody's.
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder.temp(), ignored))
    std::filesystem::remove(entry.path(), ignored);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.blobs(), ignored)) {
    if (entry.path().filename().string().rfind("part-", 0) == 0) std::filesystem::remove(entry.path(), ignored);
  }
  return folder;
}

Result<DataFolder> open_existing(const std::filesystem::path& root) {
  DataFolder folder;
  folder.root = root;
  std::error_code error;
  if (!std::filesystem::exists(folder.database(), error)) {
    if (error) return fail_errno(error.value(), "cannot look into the data folder", root.string());
    return fail(Errc::not_found, "no server data here", root.string(),
                "Name the folder that tml-server serve --data uses.");
  }
  return folder;
}

Result<bool> create_first_project(Database& db, const DataFolder& folder, const Addresses& addresses, Random& random,
                                  const Clock& clock) {
  {
    Query users = db.query("SELECT 1 FROM users LIMIT 1");
    if (users.row()) return false;
    if (auto error = users.error()) return pass(*error);
  }
  const std::string password = make_password(random);
  const std::string api_key = make_api_key(random);
  const std::string hmac_key = make_hmac_key(random);
  for (const auto& secret : {password, api_key, hmac_key}) log_secret(secret);
  const auto hash = hash_password(password);
  if (!hash) return pass(hash.error());
  constexpr std::int64_t kFirst = 1;
  const Json credentials = {{"api", addresses.api},
                            {"remoteManagement", addresses.remote_management},
                            {"ingestion", addresses.ingestion},
                            {"username", "admin"},
                            {"password", password},
                            {"projectId", kFirst},
                            {"apiKey", api_key},
                            {"hmacKey", hmac_key}};
  // The file first: keys that are in the database but that nobody was told would be lost.
  if (auto written = write_file_atomic(folder.credentials(), credentials.dump(2) + "\n"); !written)
    return pass(written.error());
  const std::int64_t now = clock.unix_ms();
  auto done = db.exec("BEGIN IMMEDIATE");
  if (done) {
    done = db.query(
                 "INSERT INTO users(id, username, email, password_hash, created_ms) VALUES(1, 'admin', "
                 "'admin@localhost', ?1, ?2)")
               .bind(1, std::string_view(*hash))
               .bind(2, now)
               .run();
  }
  if (done) {
    done = db.query("INSERT INTO projects(id, name, owner_id, created_ms) VALUES(1, 'My first project', 1, ?1)")
               .bind(1, now)
               .run();
  }
  if (done) {
    if (auto stored = insert_hmac_key(db, kFirst, hmac_key, now); !stored) done = pass(stored.error());
  }
  if (done) {
    if (auto stored = insert_api_key(db, {kFirst, "first key", Role::admin, api_key}, now); !stored)
      done = pass(stored.error());
  }
  if (done) done = db.exec("COMMIT");
  if (!done) {
    if (db.in_transaction()) (void)db.exec("ROLLBACK");
    return pass(done.error());
  }
  return true;
}

}  // namespace tml::server
