// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/keyring.hpp"

#include <sodium.h>

#include <array>

#include "common/sample/signature.hpp"

namespace tml::server {
namespace {

constexpr std::array<std::pair<Role, std::string_view>, 4> kRoles = {
    {{Role::admin, "admin"},
     {Role::readonly, "readonly"},
     {Role::ingestiononly, "ingestiononly"},
     {Role::ingestion_deployment, "ingestion_deployment"}}};
constexpr std::size_t kMaxSecretChars = 256;

std::string random_hex(Random& random, std::size_t bytes) {
  std::array<std::byte, 32> buffer{};
  const auto part = std::span(buffer).first(bytes);
  random.fill(part);
  return sample::hex(part);
}

}  // namespace

std::string_view role_name(Role role) {
  for (const auto& [value, name] : kRoles) {
    if (value == role) return name;
  }
  return "readonly";
}

Result<Role> parse_role(std::string_view name) {
  for (const auto& [value, text] : kRoles) {
    if (text == name) return value;
  }
  return fail(Errc::usage, "unknown role", std::string(name),
              "Choose admin, readonly, ingestiononly or ingestion_deployment.");
}

bool role_allows(Role role, Right right) {
  if (role == Role::admin) return true;
  switch (right) {
    case Right::see_project:
      return true;
    case Right::see_samples:
      return role == Role::readonly;
    case Right::see_devices:
      return role != Role::ingestiononly;
    case Right::add_devices:
    case Right::ingest:
    case Right::see_hmac_key:
      return role == Role::ingestiononly || role == Role::ingestion_deployment;
    case Right::manage:
      return false;
  }
  return false;
}

std::string secret_hash(std::string_view secret) {
  const sample::Digest digest = sample::sha256(sample::as_bytes(secret));
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

Result<std::shared_ptr<const Keyring>> Keyring::load(Database& db) {
  auto ring = std::make_shared<Keyring>();
  Query users = db.query("SELECT id, username, email, password_hash FROM users");
  while (users.row()) {
    ring->users_[users.integer(0)] =
        User{users.integer(0), std::string(users.text(1)), std::string(users.text(2)), std::string(users.text(3))};
  }
  Query projects = db.query("SELECT id, name, owner_id FROM projects");
  while (projects.row()) {
    Project project{projects.integer(0), std::string(projects.text(1)), projects.integer(2), {}, {}};
    if (const User* owner = ring->user(project.owner_id)) project.owner = owner->username;
    ring->projects_[project.id] = std::move(project);
  }
  Query hmac =
      db.query("SELECT project_id, id, version, key FROM hmac_keys WHERE revoked_ms IS NULL ORDER BY version DESC");
  while (hmac.row()) {
    ring->projects_[hmac.integer(0)].hmac_keys.push_back(
        HmacKey{hmac.integer(1), hmac.integer(2), std::string(hmac.text(3))});
  }
  Query keys = db.query("SELECT hash, id, project_id, role FROM api_keys WHERE revoked_ms IS NULL");
  while (keys.row()) {
    const auto role = parse_role(keys.text(3));
    if (role) ring->api_keys_[std::string(keys.text(0))] = ApiKey{keys.integer(1), keys.integer(2), *role};
  }
  Query tokens = db.query("SELECT hash, user_id, expires_ms FROM tokens");
  while (tokens.row()) ring->tokens_[std::string(tokens.text(0))] = StoredToken{tokens.integer(1), tokens.integer(2)};
  for (const Query* query : {&users, &projects, &hmac, &keys, &tokens}) {
    if (auto error = query->error()) return pass(*error);
  }
  return std::shared_ptr<const Keyring>(std::move(ring));
}

std::optional<ApiKey> Keyring::api_key(std::string_view presented) const {
  if (presented.size() > kMaxSecretChars) return std::nullopt;
  const std::string hash = secret_hash(presented);
  const auto found = api_keys_.find(hash);
  if (found == api_keys_.end() || !sample::equal_constant_time(found->first, hash)) return std::nullopt;
  return found->second;
}

bool Keyring::has_api_key(std::int64_t id) const {
  for (const auto& [hash, key] : api_keys_) {
    if (key.id == id) return true;
  }
  return false;
}

const User* Keyring::token_user(std::string_view presented, std::int64_t now_ms) const {
  if (presented.size() > kMaxSecretChars) return nullptr;
  const std::string hash = secret_hash(presented);
  const auto found = tokens_.find(hash);
  if (found == tokens_.end() || !sample::equal_constant_time(found->first, hash)) return nullptr;
  return found->second.expires_ms > now_ms ? user(found->second.user_id) : nullptr;
}

const User* Keyring::user_named(std::string_view name_or_email) const {
  for (const auto& [id, user] : users_) {
    if (user.username == name_or_email || user.email == name_or_email) return &user;
  }
  return nullptr;
}

const User* Keyring::user(std::int64_t id) const {
  const auto found = users_.find(id);
  return found == users_.end() ? nullptr : &found->second;
}

const Project* Keyring::project(std::int64_t id) const {
  const auto found = projects_.find(id);
  return found == projects_.end() ? nullptr : &found->second;
}

std::string make_api_key(Random& random) { return "ei_" + random_hex(random, 32); }
std::string make_hmac_key(Random& random) { return random_hex(random, 16); }
std::string make_token(Random& random) {
  return random_hex(random, 8) + "." + random_hex(random, 32) + "." + random_hex(random, 8);
}
std::string make_password(Random& random) { return random_hex(random, 10); }

Result<std::string> hash_password(const std::string& password) {
  if (sodium_init() < 0) return fail(Errc::failed, "libsodium cannot start");
  std::array<char, crypto_pwhash_STRBYTES> out{};
  if (crypto_pwhash_str_alg(out.data(), password.data(), password.size(), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                            crypto_pwhash_MEMLIMIT_INTERACTIVE, crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return fail(Errc::failed, "not enough memory to hash a password (64 MiB)");
  }
  return std::string(out.data());
}

bool check_password(const std::string& hash, std::string_view password) {
  return sodium_init() >= 0 && crypto_pwhash_str_verify(hash.c_str(), password.data(), password.size()) == 0;
}

Result<std::int64_t> insert_api_key(Database& db, const NewApiKey& key, std::int64_t now_ms) {
  const std::string hash = secret_hash(key.key);
  const std::string hint = key.key.substr(0, 7);
  auto done =
      db.query("INSERT INTO api_keys(project_id, hash, hint, name, role, created_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
          .bind(1, key.project)
          .bind_blob(2, hash)
          .bind(3, std::string_view(hint))
          .bind(4, std::string_view(key.name))
          .bind(5, role_name(key.role))
          .bind(6, now_ms)
          .run();
  if (!done) return pass(done.error());
  return db.last_insert_id();
}

Result<std::int64_t> insert_hmac_key(Database& db, std::int64_t project, const std::string& key, std::int64_t now_ms) {
  auto done = db.query(
                    "INSERT INTO hmac_keys(project_id, version, key, created_ms) VALUES(?1, "
                    "(SELECT coalesce(max(version), 0) + 1 FROM hmac_keys WHERE project_id = ?1), ?2, ?3)")
                  .bind(1, project)
                  .bind(2, std::string_view(key))
                  .bind(3, now_ms)
                  .run();
  if (!done) return pass(done.error());
  return db.last_insert_id();
}

}  // namespace tml::server
