// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Login, user and the list of projects: rows 1 to 5, 11 and 12 of wire reference 2.3.
#include <algorithm>

#include "common/base/log.hpp"
#include "server/api.hpp"

namespace tml::server {
namespace {

constexpr std::int64_t kTokenLifeMs = std::int64_t{30} * 24 * 3600 * 1000;
constexpr std::size_t kMaxPassword = 1024;

void need_password(const CallPtr& call) {
  // The same for every name: strangers do not learn which users exist.
  call->ok({{"needPassword", false}, {"whitelabels", Json::array()}});
}

void finish_login(const CallPtr& call, std::int64_t user_id) {
  const std::string token = make_token(call->app.random);
  const std::string hash = secret_hash(token);
  const std::int64_t now = call->app.clock.unix_ms();
  auto run = [user_id, hash, now](Database& db) -> Result<void> {
    auto cleaned = db.query("DELETE FROM tokens WHERE expires_ms < ?1").bind(1, now).run();
    if (!cleaned) return cleaned;
    return db.query("INSERT INTO tokens(hash, user_id, created_ms, expires_ms) VALUES(?1, ?2, ?3, ?4)")
        .bind_blob(1, hash)
        .bind(2, user_id)
        .bind(3, now)
        .bind(4, now + kTokenLifeMs)
        .run();
  };
  auto done = [call, token](const Result<void>& outcome) {
    if (!outcome) return call->error(outcome.error());
    call->ok({{"token", token}});
  };
  if (!call->app.write_keys(std::move(run), std::move(done))) call->error(429, "the server is busy, try again");
}

void login(const CallPtr& call) {
  const auto body = call->body();
  if (!body) return;
  const auto name = json_string(*body, "username");
  const auto password = json_string(*body, "password");
  if (!name || !password || password->size() > kMaxPassword)
    return call->error(400, "username and password are needed");
  App& app = call->app;
  const auto now = app.clock.steady();
  const std::string by_address = "address " + call->request.remote;
  const std::string by_name = "name " + name->substr(0, 256);
  if (!app.logins.allowed(by_address, now) || !app.logins.allowed(by_name, now)) {
    httpd::Response response =
        httpd::Response::json(429, json_text({{"success", false}, {"error", "too many failed logins, wait a minute"}}));
    response.headers.emplace_back("retry-after", "60");
    return call->responder.send(std::move(response));
  }
  const User* user = call->ring->user_named(*name);
  // A name that does not exist takes as long as one that does.
  static constexpr char kNobody[] =
      "$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  const std::string hash = user != nullptr ? user->password_hash : std::string(kNobody);
  const std::int64_t id = user != nullptr ? user->id : 0;
  on_worker(call, [call, hash, id, by_address, by_name, secret = *password](Database&) {
    const bool right = check_password(hash, secret) && id != 0;
    call->app.server->post([call, right, id, by_address, by_name]() {
      if (right) return finish_login(call, id);
      call->app.logins.failed(by_address, call->app.clock.steady());
      call->app.logins.failed(by_name, call->app.clock.steady());
      log_warning("request " + call->request.id + ": login refused from " + call->request.remote);
      call->error(401, "wrong user name or password");
    });
  });
}

Json project_object(const Project& project) {
  return {{"id", project.id},
          {"name", project.name},
          {"owner", project.owner},
          {"whitelabelId", nullptr},
          {"description", ""}};
}

Json visible_projects(const Call& call) {
  Json list = Json::array();
  for (const auto& [id, project] : call.ring->projects()) {
    const bool mine = call.identity.key ? call.identity.key->project == id : call.identity.user->id == project.owner_id;
    if (mine) list.push_back(project_object(project));
  }
  return list;
}

void projects(const CallPtr& call) { call->ok({{"projects", visible_projects(*call)}}); }

void user(const CallPtr& call) {
  const User& me = *call->identity.user;
  Json organizations = Json::array();
  organizations.push_back({{"id", me.id}, {"name", me.username}, {"isDeveloperProfile", true}});
  call->ok({{"id", me.id},
            {"username", me.username},
            {"name", me.username},
            {"email", me.email},
            {"organizations", std::move(organizations)},
            {"projects", visible_projects(*call)}});
}

void developer_profile(const CallPtr& call) { call->ok({{"organizationId", call->identity.user->id}}); }

void organizations(const CallPtr& call) { call->ok({{"organizations", Json::array()}}); }

void whitelabel_domain(const CallPtr& call) {
  std::string host(call->request.headers.get("host"));
  host = host.substr(0, host.find(':'));
  const bool plain = !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
  call->ok({{"domain", plain ? host : std::string("localhost")}});
}

void create_project(const CallPtr& call) {
  const auto body = call->body();
  if (!body) return;
  const auto name = json_string(*body, "projectName");
  constexpr std::size_t kMaxName = 200;
  if (!name || name->empty() || name->size() > kMaxName)
    return call->error(400, "projectName must have 1 to 200 bytes");
  const std::string hmac = make_hmac_key(call->app.random);
  const std::string key = make_api_key(call->app.random);
  log_secret(hmac);
  log_secret(key);
  auto id = std::make_shared<std::int64_t>(0);
  const std::int64_t now = call->app.clock.unix_ms();
  const std::int64_t owner = call->identity.user->id;
  auto run = [id, name = *name, hmac, key, now, owner](Database& db) -> Result<void> {
    auto made = db.query("INSERT INTO projects(name, owner_id, created_ms) VALUES(?1, ?2, ?3)")
                    .bind(1, std::string_view(name))
                    .bind(2, owner)
                    .bind(3, now)
                    .run();
    if (!made) return made;
    *id = db.last_insert_id();
    if (auto stored = insert_hmac_key(db, *id, hmac, now); !stored) return pass(stored.error());
    if (auto stored = insert_api_key(db, {*id, "first key", Role::admin, key}, now); !stored)
      return pass(stored.error());
    return {};
  };
  auto done = [call, id, key](const Result<void>& outcome) {
    if (!outcome) return call->error(outcome.error());
    call->ok({{"id", *id}, {"apiKey", key}});
  };
  if (!call->app.write_keys(std::move(run), std::move(done))) call->error(429, "the server is busy, try again");
}

}  // namespace

std::vector<ApiRoute> account_routes() {
  return {
      {"GET", "/v1/api-user-need-to-set-password/{userOrEmail}", Access::anyone, Right::see_project, need_password},
      {"POST", "/v1/api-login", Access::anyone, Right::see_project, login},
      {"GET", "/v1/api/projects", Access::identity, Right::see_project, projects},
      {"POST", "/v1/api/projects/create", Access::user, Right::see_project, create_project},
      {"GET", "/v1/api/user", Access::user, Right::see_project, user},
      {"POST", "/v1/api/user/create-developer-profile", Access::user, Right::see_project, developer_profile},
      {"GET", "/v1/api/organizations", Access::identity, Right::see_project, organizations},
      {"GET", "/v1/api/whitelabel/{id}/domain", Access::anyone, Right::see_project, whitelabel_domain},
  };
}

}  // namespace tml::server
