// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One project and its keys: rows 6 to 8 of wire reference 2.3.
#include "common/base/log.hpp"
#include "server/api.hpp"

namespace tml::server {
namespace {

void project(const CallPtr& call) {
  const Project& p = *call->project;
  call->ok({{"project",
             {{"id", p.id}, {"name", p.name}, {"owner", p.owner}, {"whitelabelId", nullptr}, {"description", ""}}}});
}

void hmac_key(const CallPtr& call) {
  Json answer = Json::object();
  if (!call->project->hmac_keys.empty()) {
    answer["hmacKey"] = call->project->hmac_keys.front().key;
    answer["version"] = call->project->hmac_keys.front().version;
  }
  call->ok(std::move(answer));
}

void create_api_key(const CallPtr& call) {
  const auto body = call->body();
  if (!body) return;
  const std::string name = json_string(*body, "name").value_or("API key");
  const auto role = parse_role(json_string(*body, "role").value_or("admin"));
  if (!role) return call->error(role.error());
  constexpr std::size_t kMaxName = 200;
  if (name.size() > kMaxName) return call->error(400, "the name is longer than 200 bytes");
  const std::string key = make_api_key(call->app.random);
  log_secret(key);
  auto id = std::make_shared<std::int64_t>(0);
  const NewApiKey fresh{call->project->id, name, *role, key};
  auto run = [id, fresh, now = call->app.clock.unix_ms()](Database& db) -> Result<void> {
    auto stored = insert_api_key(db, fresh, now);
    if (!stored) return pass(stored.error());
    *id = *stored;
    return {};
  };
  auto done = [call, id, key](const Result<void>& outcome) {
    if (!outcome) return call->error(outcome.error());
    call->ok({{"id", *id}, {"apiKey", key}});
  };
  if (!call->app.write_keys(std::move(run), std::move(done))) call->error(429, "the server is busy, try again");
}

void list_api_keys(const CallPtr& call) {
  on_worker(call, [call, project = call->project->id](Database& db) {
    Query query = db.query(
        "SELECT id, hint, name, role, created_ms FROM api_keys WHERE project_id = ?1 AND revoked_ms IS NULL ORDER BY "
        "id");
    query.bind(1, project);
    Json keys = Json::array();
    while (query.row()) {
      keys.push_back({{"id", query.integer(0)},
                      {"apiKey", std::string(query.text(1)) + "..."},
                      {"name", query.text(2)},
                      {"role", query.text(3)},
                      {"created", iso_time(query.integer(4))}});
    }
    if (auto error = query.error()) return call->error(*error);
    call->ok({{"apiKeys", std::move(keys)}});
  });
}

void revoke_api_key(const CallPtr& call) {
  const auto id = to_id(call->parameter("apiKeyId"));
  if (!id) return call->error(404, "no such key");
  auto run = [id = *id, project = call->project->id, now = call->app.clock.unix_ms()](Database& db) {
    return db.query("UPDATE api_keys SET revoked_ms = ?1 WHERE id = ?2 AND project_id = ?3 AND revoked_ms IS NULL")
        .bind(1, now)
        .bind(2, id)
        .bind(3, project)
        .run();
  };
  auto done = [call](const Result<void>& outcome) {
    if (!outcome) return call->error(outcome.error());
    call->app.remote->keys_changed();
    call->ok();
  };
  if (!call->app.write_keys(std::move(run), std::move(done))) call->error(429, "the server is busy, try again");
}

}  // namespace

std::vector<ApiRoute> project_routes() {
  return {
      {"GET", "/v1/api/{projectId}", Access::project, Right::see_project, project},
      {"GET", "/v1/api/{projectId}/devkeys/hmac", Access::project, Right::see_hmac_key, hmac_key},
      {"POST", "/v1/api/{projectId}/apikeys", Access::project, Right::manage, create_api_key},
      {"GET", "/v1/api/{projectId}/apikeys", Access::project, Right::manage, list_api_keys},
      {"DELETE", "/v1/api/{projectId}/apikeys/{apiKeyId}", Access::project, Right::manage, revoke_api_key},
  };
}

}  // namespace tml::server
