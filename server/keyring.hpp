// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Who may do what: API keys, login tokens, HMAC keys and projects as one immutable snapshot in memory, read by every
// request without touching the database, and replaced whole when any process changes them (`key revoke` while the
// server runs).
//
// API keys and tokens are 256 random bits, so one SHA-256 is enough to store them (a slow hash protects guessable
// secrets only); passwords are Argon2id. The comparison is by hash and in constant time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/random.hpp"
#include "server/sqlite.hpp"

namespace tml::server {

/// Roles of API keys (wire reference 2.3).
enum class Role : std::uint8_t { admin, readonly, ingestiononly, ingestion_deployment };
[[nodiscard]] std::string_view role_name(Role role);
/// Errc::usage lists the choices.
[[nodiscard]] Result<Role> parse_role(std::string_view name);

/// What a call needs. A logged-in user may do everything in projects that are theirs.
enum class Right : std::uint8_t {
  see_project,   ///< Name and id: every key.
  see_samples,   ///< admin, readonly.
  see_devices,   ///< Every key but ingestiononly.
  add_devices,   ///< admin, ingestion_deployment, ingestiononly: create, rename, hello.
  ingest,        ///< admin, ingestion_deployment, ingestiononly.
  see_hmac_key,  ///< admin, ingestion_deployment, ingestiononly: who may ingest must be able to sign.
  manage,        ///< admin: keys, start sampling.
};
[[nodiscard]] bool role_allows(Role role, Right right);

struct ApiKey {
  std::int64_t id = 0;
  std::int64_t project = 0;
  Role role = Role::readonly;
};

struct HmacKey {
  std::int64_t id = 0;
  std::int64_t version = 0;
  std::string key;
};

struct Project {
  std::int64_t id = 0;
  std::string name;
  std::int64_t owner_id = 0;
  std::string owner;
  std::vector<HmacKey> hmac_keys;  ///< Newest first; revoked ones are not here.
};

struct User {
  std::int64_t id = 0;
  std::string username;
  std::string email;
  std::string password_hash;
};

/// Immutable once shared.
class Keyring {
 public:
  [[nodiscard]] static Result<std::shared_ptr<const Keyring>> load(Database& db);

  [[nodiscard]] std::optional<ApiKey> api_key(std::string_view presented) const;
  [[nodiscard]] bool has_api_key(std::int64_t id) const;
  [[nodiscard]] const User* token_user(std::string_view presented, std::int64_t now_ms) const;
  [[nodiscard]] const User* user_named(std::string_view name_or_email) const;
  [[nodiscard]] const User* user(std::int64_t id) const;
  [[nodiscard]] const Project* project(std::int64_t id) const;
  [[nodiscard]] const std::map<std::int64_t, Project>& projects() const { return projects_; }

 private:
  struct StoredToken {
    std::int64_t user_id = 0;
    std::int64_t expires_ms = 0;
  };
  std::unordered_map<std::string, ApiKey> api_keys_;  // by raw hash
  std::unordered_map<std::string, StoredToken> tokens_;
  std::map<std::int64_t, User> users_;
  std::map<std::int64_t, Project> projects_;
};

/// The current Keyring; thread-safe.
class KeyringHolder {
 public:
  [[nodiscard]] std::shared_ptr<const Keyring> get() const {
    const std::lock_guard lock(mutex_);
    return current_;
  }
  void set(std::shared_ptr<const Keyring> next) {
    const std::lock_guard lock(mutex_);
    current_ = std::move(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Keyring> current_;
};

/// "ei_" and 64 hex characters.
[[nodiscard]] std::string make_api_key(Random& random);
/// 32 hex characters: the longest that the C SDK reads (wire reference 6.2).
[[nodiscard]] std::string make_hmac_key(Random& random);
/// Three parts parted by dots, as clients expect of a JWT, but nothing except randomness inside: it is looked up, not
/// decoded.
[[nodiscard]] std::string make_token(Random& random);
[[nodiscard]] std::string make_password(Random& random);
/// 32 raw bytes.
[[nodiscard]] std::string secret_hash(std::string_view secret);
/// Argon2id with libsodium's interactive cost. Slow and 64 MiB: on a worker only.
[[nodiscard]] Result<std::string> hash_password(const std::string& password);
[[nodiscard]] bool check_password(const std::string& hash, std::string_view password);

/// Writes of keys; inside a transaction of the caller.
struct NewApiKey {
  std::int64_t project = 0;
  std::string name;
  Role role = Role::readonly;
  std::string key;
};
[[nodiscard]] Result<std::int64_t> insert_api_key(Database& db, const NewApiKey& key, std::int64_t now_ms);
[[nodiscard]] Result<std::int64_t> insert_hmac_key(Database& db, std::int64_t project, const std::string& key,
                                                   std::int64_t now_ms);

}  // namespace tml::server
