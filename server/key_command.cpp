// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// `tml-server key`: works on the database itself, with or without a server running on it; a server notices within 0.1
// s.
#include "common/base/clock.hpp"
#include "common/base/json.hpp"
#include "common/cli/table.hpp"
#include "server/app.hpp"
#include "server/commands.hpp"
#include "server/data_folder.hpp"
#include "server/schema.hpp"

namespace tml::server {
namespace {

Result<std::unique_ptr<Database>> open(const KeyOptions& options) {
  auto folder = open_existing(options.data);
  if (!folder) return pass(folder.error());
  auto db = Database::open(folder->database(), Database::Mode::existing);
  if (!db) return db;
  if (auto migrated = migrate(**db, system_clock().unix_ms()); !migrated) return pass(migrated.error());
  return db;
}

Result<std::int64_t> choose_project(Database& db, std::optional<std::int64_t> wanted) {
  std::vector<std::int64_t> ids;
  Query query = db.query("SELECT id FROM projects ORDER BY id");
  while (query.row()) ids.push_back(query.integer(0));
  if (auto error = query.error()) return pass(*error);
  if (wanted) {
    for (const std::int64_t id : ids) {
      if (id == *wanted) return id;
    }
    return fail(Errc::not_found, "no such project", std::to_string(*wanted));
  }
  if (ids.size() == 1) return ids.front();
  return fail(Errc::usage, "there are " + std::to_string(ids.size()) + " projects", {},
              "Choose one with --project ID.");
}

Result<void> create(const KeyOptions& options, cli::Reporter& reporter) {
  const auto role = parse_role(options.role);
  if (!role) return pass(role.error());
  auto db = open(options);
  if (!db) return pass(db.error());
  const auto project = choose_project(**db, options.project);
  if (!project) return pass(project.error());
  Random& random = system_random();
  const std::int64_t now = system_clock().unix_ms();
  const std::string key = options.hmac ? make_hmac_key(random) : make_api_key(random);
  const auto id = options.hmac ? insert_hmac_key(**db, *project, key, now)
                               : insert_api_key(**db, {*project, options.name, *role, key}, now);
  if (!id) return pass(id.error());
  Json fields = {{"id", *id}, {"project", *project}, {"kind", options.hmac ? "hmac" : "api"}, {"key", key}};
  if (!options.hmac) fields["role"] = options.role;
  reporter.event("key_created", fields, key);
  return {};
}

Result<void> list(const KeyOptions& options, cli::Reporter& reporter) {
  auto db = open(options);
  if (!db) return pass(db.error());
  std::vector<std::vector<std::string>> table = {{"KIND", "ID", "PROJECT", "ROLE", "NAME", "KEY", "CREATED", "STATE"}};
  Query query = (*db)->query(
      "SELECT 'api', id, project_id, role, name, hint || '...', created_ms, revoked_ms FROM api_keys UNION ALL "
      "SELECT 'hmac', id, project_id, 'version ' || version, '', substr(key, 1, 4) || '...', created_ms, revoked_ms "
      "FROM hmac_keys "
      "ORDER BY 1, 2");
  while (query.row()) {
    const std::string state = query.is_null(7) ? "active" : "revoked";
    const Json fields = {{"kind", query.text(0)},
                         {"id", query.integer(1)},
                         {"project", query.integer(2)},
                         {"role", query.text(3)},
                         {"name", query.text(4)},
                         {"hint", query.text(5)},
                         {"state", state},
                         {"created", iso_time(query.integer(6))}};
    if (reporter.json()) reporter.event("key", fields);
    table.push_back({std::string(query.text(0)), std::to_string(query.integer(1)), std::to_string(query.integer(2)),
                     std::string(query.text(3)), std::string(query.text(4)), std::string(query.text(5)),
                     iso_time(query.integer(6)), state});
  }
  if (auto error = query.error()) return pass(*error);
  reporter.text(cli::format_table(table));
  return {};
}

Result<void> revoke(const KeyOptions& options, cli::Reporter& reporter) {
  auto db = open(options);
  if (!db) return pass(db.error());
  Query query = (*db)->query(
      options.hmac ? "UPDATE hmac_keys SET revoked_ms = ?1 WHERE id = ?2 AND revoked_ms IS NULL RETURNING 1"
                   : "UPDATE api_keys SET revoked_ms = ?1 WHERE id = ?2 AND revoked_ms IS NULL RETURNING 1");
  query.bind(1, system_clock().unix_ms()).bind(2, options.id);
  const bool found = query.row();
  if (auto done = query.run(); !done) return done;
  if (!found)
    return fail(Errc::not_found, "no active key with this id", std::to_string(options.id), "See tml-server key list.");
  reporter.event("key_revoked", {{"id", options.id}, {"kind", options.hmac ? "hmac" : "api"}}, "revoked");
  return {};
}

ExitCode finish(const Result<void>& outcome, cli::Reporter& reporter) {
  return outcome ? ExitCode::ok : reporter.error(outcome.error());
}

}  // namespace

ExitCode run_key_create(const KeyOptions& options, cli::Reporter& reporter) {
  return finish(create(options, reporter), reporter);
}
ExitCode run_key_list(const KeyOptions& options, cli::Reporter& reporter) {
  return finish(list(options, reporter), reporter);
}
ExitCode run_key_revoke(const KeyOptions& options, cli::Reporter& reporter) {
  return finish(revoke(options, reporter), reporter);
}

}  // namespace tml::server
