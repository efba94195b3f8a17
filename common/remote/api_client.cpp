// SPDX-License-Identifier: Apache-2.0
#include "common/remote/api_client.hpp"

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/sample/names.hpp"

namespace tml::remote {
namespace {

constexpr std::size_t kMaxAnswerBytes = std::size_t{4} << 20U;
constexpr Millis kCallTimeout{30'000};

/// The body as JSON, once it says success.
Result<Json> accepted(Result<std::string> body, const char* where) {
  if (!body) return pass(body.error());
  auto json = parse_json(*body, where);
  if (!json) return pass(json.error());
  const auto success = json_bool(*json, "success");
  if (!success) return fail(Errc::malformed, "the answer does not say whether it succeeded", where, "Check --host");
  if (!*success) {
    std::string why = json_string(*json, "error").value_or("the server refused without a reason");
    const bool key = why.find("API key") != std::string::npos;
    return fail(key ? Errc::auth : Errc::refused, std::move(why), where);
  }
  return json;
}

Result<void> done(Result<std::string> body, const char* where) {
  auto json = accepted(std::move(body), where);
  if (!json) return pass(json.error());
  return {};
}

Result<std::string> text_in(Result<Json> json, const char* key, const char* where) {
  if (!json) return pass(json.error());
  auto text = json_string(*json, key);
  if (!text) return fail(Errc::malformed, std::string("the answer has no ") + key, where, "Check --host");
  return *std::move(text);
}

std::optional<Project> project_from(const Json& json) {
  const auto id = json_integer(json, "id");
  if (!id) return std::nullopt;
  return Project{*id, json_string(json, "name").value_or(""), json_string(json, "owner").value_or(""), false};
}

std::string project_path(std::int64_t project, std::string_view rest) {
  return "/v1/api/" + std::to_string(project) + std::string(rest);
}

}  // namespace

bool wants_totp(const Error& error) { return error.what.find("ERR_TOTP_TOKEN") != std::string::npos; }

Awaitable<Result<std::string>> ApiClient::call(const char* method, std::string path, std::string body) {
  http::Request request;
  request.method = method;
  request.url = base_ + path;
  request.body = std::move(body);
  request.total_timeout = kCallTimeout;
  request.max_response_bytes = kMaxAnswerBytes;
  request.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json"}};
  if (!credentials_.api_key.empty()) {
    request.headers.push_back({"x-api-key", credentials_.api_key});
  } else if (!credentials_.jwt.empty()) {
    request.headers.push_back({"x-jwt-token", credentials_.jwt});
  }
  const std::string url = request.url;
  auto response = co_await sender_(std::move(request));
  if (!response) co_return pass(response.error());
  if (!response->ok()) co_return pass(http::error_for_status(*response, url));
  co_return std::move(response->body);
}

Awaitable<Result<std::string>> ApiClient::get(std::string path) {
  std::string nothing;
  co_return co_await call("GET", std::move(path), std::move(nothing));
}

Awaitable<Result<bool>> ApiClient::needs_password(std::string user) {
  std::string path = "/v1/api-user-need-to-set-password/" + sample::percent_encode(user);
  auto body = co_await get(std::move(path));
  auto json = accepted(std::move(body), "api-user-need-to-set-password");
  if (!json) co_return pass(json.error());
  co_return json_bool(*json, "needPassword").value_or(false);
}

Awaitable<Result<std::string>> ApiClient::login(std::string user, std::string password, std::string totp) {
  Json request = {{"username", user}, {"password", password}};
  if (!totp.empty()) request["totpToken"] = totp;
  std::string text = json_text(request);
  std::string path = "/v1/api-login";
  auto body = co_await call("POST", std::move(path), std::move(text));
  auto json = accepted(std::move(body), "api-login");
  if (!json) {
    Error error = json.error();
    if (error.code == Errc::refused) error.code = Errc::auth;
    co_return pass(std::move(error));
  }
  auto token = text_in(std::move(json), "token", "api-login");
  if (token) log_secret(*token);
  co_return token;
}

Awaitable<Result<void>> ApiClient::ensure_developer_profile() {
  std::string path = "/v1/api/user";
  auto body = co_await get(std::move(path));
  auto json = accepted(std::move(body), "api/user");
  if (!json) co_return pass(json.error());
  if (const Json* organizations = json_member(*json, "organizations"); organizations && organizations->is_array()) {
    for (const Json& one : *organizations) {
      if (json_bool(one, "isDeveloperProfile").value_or(false)) co_return Result<void>{};
    }
  }
  path = "/v1/api/user/create-developer-profile";
  std::string nothing = "{}";
  auto created = co_await call("POST", std::move(path), std::move(nothing));
  co_return done(std::move(created), "api/user/create-developer-profile");
}

Awaitable<Result<std::vector<Project>>> ApiClient::projects() {
  std::string path = "/v1/api/projects";
  auto body = co_await get(std::move(path));
  auto json = accepted(std::move(body), "api/projects");
  if (!json) co_return pass(json.error());
  const Json* list = json_member(*json, "projects");
  if (list == nullptr || !list->is_array()) {
    co_return fail(Errc::malformed, "the answer has no projects", "api/projects", "Check --host");
  }
  std::vector<Project> projects;
  for (const Json& item : *list) {
    if (auto project = project_from(item)) projects.push_back(*std::move(project));
  }
  co_return projects;
}

Awaitable<Result<Project>> ApiClient::project(std::int64_t id) {
  std::string path = project_path(id, "");
  auto body = co_await get(std::move(path));
  auto json = accepted(std::move(body), "api/project");
  if (!json) co_return pass(json.error());
  const Json* member = json_member(*json, "project");
  std::optional<Project> project;
  if (member != nullptr) project = project_from(*member);
  if (!project) co_return fail(Errc::malformed, "the answer has no project", "api/project", "Check --host");
  const Json* csv = json_member(*json, "csvImportConfig");
  project->csv_wizard = csv != nullptr && csv->is_object() && !csv->empty();
  co_return *std::move(project);
}

Awaitable<Result<std::string>> ApiClient::hmac_key(std::int64_t project) {
  std::string path = project_path(project, "/devkeys/hmac");
  auto body = co_await get(std::move(path));
  auto json = accepted(std::move(body), "devkeys/hmac");
  if (!json) co_return pass(json.error());
  std::string key = json_string(*json, "hmacKey").value_or("");
  log_secret(key);
  co_return key;
}

Awaitable<Result<std::string>> ApiClient::create_api_key(std::int64_t project, std::string host_name) {
  std::string path = project_path(project, "/apikeys");
  // Role and name are the ones the ecosystem's own tools ask for (wire reference 2.3, row 8).
  std::string text = json_text(
      Json{{"name", "TML (" + host_name + ")"}, {"role", "ingestion_deployment"}, {"isDevelopmentKey", false}});
  auto body = co_await call("POST", std::move(path), std::move(text));
  auto json = accepted(std::move(body), "apikeys");
  auto key = text_in(std::move(json), "apiKey", "apikeys");
  if (key) log_secret(*key);
  co_return key;
}

Awaitable<Result<void>> ApiClient::create_device(std::int64_t project, std::string device_id, std::string type) {
  std::string path = project_path(project, "/devices/create");
  std::string text = json_text(Json{{"deviceId", device_id}, {"deviceType", type}, {"ifNotExists", true}});
  auto body = co_await call("POST", std::move(path), std::move(text));
  co_return done(std::move(body), "devices/create");
}

Awaitable<Result<std::string>> ApiClient::device_name(std::int64_t project, std::string device_id) {
  std::string path = project_path(project, "/device/" + sample::percent_encode(device_id));
  auto body = co_await get(std::move(path));
  auto json = accepted(std::move(body), "device");
  if (!json) co_return pass(json.error());
  const Json* device = json_member(*json, "device");
  if (device == nullptr) co_return fail(Errc::malformed, "the answer has no device", "device", "Check --host");
  co_return json_string(*device, "name").value_or("");
}

Awaitable<Result<void>> ApiClient::rename_device(std::int64_t project, std::string device_id, std::string name) {
  std::string path = project_path(project, "/devices/" + sample::percent_encode(device_id) + "/rename");
  std::string text = json_text(Json{{"name", name}});
  auto body = co_await call("POST", std::move(path), std::move(text));
  co_return done(std::move(body), "devices/rename");
}

}  // namespace tml::remote
