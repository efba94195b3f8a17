// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/api.hpp"

#include <algorithm>

#include "common/base/log.hpp"
#include "common/base/version.hpp"
#include "server/access_log.hpp"

namespace tml::server {
namespace {

constexpr std::size_t kMaxApiBody = 64 * 1024;

struct Api {
  App& app;
  std::vector<ApiRoute> routes;
  httpd::RouteTable table;
};

Identity identify(const Call& call) {
  Identity identity;
  if (const auto key = call.request.headers.find("x-api-key")) identity.key = call.ring->api_key(*key);
  if (identity.key) return identity;
  if (const auto token = call.request.headers.find("x-jwt-token")) {
    identity.user = call.ring->token_user(*token, call.app.clock.unix_ms());
  }
  return identity;
}

/// True when the call may go on; otherwise it has been answered.
bool authorise(Call& call, const ApiRoute& route) {
  if (route.access == Access::anyone) return true;
  call.identity = identify(call);
  const bool known = call.identity.key || call.identity.user != nullptr;
  if (!known) {
    const bool token = call.request.headers.has("x-jwt-token") && !call.request.headers.has("x-api-key");
    const bool none = !token && !call.request.headers.has("x-api-key");
    call.error(401, token  ? "the login has expired, log in again"
                    : none ? "send an x-api-key or x-jwt-token header"
                           : "Invalid API key");
    return false;
  }
  if (route.access == Access::user && call.identity.user == nullptr) {
    call.error(401, "this call needs a login token, an API key does not suffice");
    return false;
  }
  if (route.access != Access::project) return true;
  const auto id = to_id(call.parameter("projectId"));
  call.project = id ? call.ring->project(*id) : nullptr;
  // Strangers are not told which projects exist.
  const bool mine = call.project != nullptr && (call.identity.key ? call.identity.key->project == call.project->id
                                                                  : call.project->owner_id == call.identity.user->id);
  if (!mine) {
    call.error(403, "no access to this project");
    return false;
  }
  if (call.identity.key && !role_allows(call.identity.key->role, route.right)) {
    call.error(403, "this API key may not do that (role " + std::string(role_name(call.identity.key->role)) + ")");
    return false;
  }
  return true;
}

void metrics_page(App& app, const httpd::Responder& responder) {
  Metrics::Gauges gauges;
  gauges.websocket_clients = app.remote->clients();
  gauges.connections = app.server->connections();
  gauges.write_queue = app.writer->queued();
  gauges.work_queue = app.workers->queued();
  httpd::Response response = httpd::Response::text(200, app.metrics.text(gauges));
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  responder.send(std::move(response));
}

void serve(const Api& api, httpd::Request request, httpd::Responder responder) {
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  if (method == "GET" && request.path == "/metrics") return metrics_page(api.app, responder);
  auto call = std::make_shared<Call>(api.app, std::move(request), std::move(responder));
  call->ring = api.app.keyring.get();
  if (method == "GET" && call->request.path == "/healthz") {
    return call->ok({{"status", "ok"}, {"version", kVersion}, {"revision", kGitRevision}});
  }
  auto found = api.table.find(method, call->request.path);
  if (!found.match) {
    return call->error(found.other_method ? 405 : 404, found.other_method ? "not with this method" : "no such call");
  }
  call->parameters = std::move(found.match->parameters);
  const ApiRoute& route = api.routes[found.match->target];
  if (authorise(*call, route)) route.handler(call);
}

}  // namespace

void Call::ok(Json fields) const {
  fields["success"] = true;
  responder.send(httpd::Response::json(200, json_text(fields)));
}

void Call::error(unsigned status, std::string_view text) const {
  responder.send(httpd::Response::json(status, json_text({{"success", false}, {"error", std::string(text)}})));
}

void Call::error(const Error& failed) const {
  unsigned status = 500;
  switch (failed.code) {
    case Errc::not_found:
      status = 404;
      break;
    case Errc::busy:
      status = 429;
      break;
    case Errc::usage:
    case Errc::malformed:
    case Errc::limit:
    case Errc::duplicate:
      status = 400;
      break;
    case Errc::auth:
    case Errc::permission:
      status = 403;
      break;
    case Errc::disk_full:
      status = 507;
      break;
    default:
      break;
  }
  if (status >= 500) log_error("request " + request.id + ": " + failed.message());
  error(status, failed.message());
}

std::optional<Json> Call::body() const {
  if (request.body_view().empty()) return Json::object();
  auto parsed = parse_json(request.body_view(), "request body");
  if (!parsed) {
    error(400, parsed.error().message());
    return std::nullopt;
  }
  if (!parsed->is_object()) {
    error(400, "the request body must be a JSON object");
    return std::nullopt;
  }
  return std::move(*parsed);
}

void on_worker(const CallPtr& call, std::function<void(Database&)> work) {
  if (!call->app.workers->submit(std::move(work))) call->error(429, "the server is busy, try again");
}

std::optional<std::int64_t> to_id(std::string_view text) {
  constexpr std::size_t kMaxDigits = 18;
  if (text.empty() || text.size() > kMaxDigits) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

httpd::Handlers make_api_handlers(App& app) {
  auto api = std::make_shared<Api>(Api{app, {}, {}});
  for (auto routes : {account_routes(), project_routes(), device_routes(), sample_routes()}) {
    for (const ApiRoute& route : routes) {
      api->table.add(route.method, route.pattern, api->routes.size());
      api->routes.push_back(route);
    }
  }
  httpd::Handlers handlers;
  handlers.admit = [](const httpd::Request&) { return httpd::Admission{kMaxApiBody, {}}; };
  handlers.request = [api](httpd::Request request, httpd::Responder responder) {
    serve(*api, std::move(request), std::move(responder));
  };
  handlers.done = access_logger(app.metrics, "api");
  return handlers;
}

httpd::Handlers make_remote_handlers(App& app) {
  httpd::Handlers handlers;
  handlers.admit = [](const httpd::Request&) { return httpd::Admission{0, {}}; };
  handlers.request = [](const httpd::Request&, const httpd::Responder& responder) {
    httpd::Response response = httpd::Response::text(426, "this port speaks WebSocket");
    response.headers.emplace_back("upgrade", "websocket");
    responder.send(std::move(response));
  };
  httpd::WebSocketHandlers sockets;
  sockets.open = [&app](const std::shared_ptr<httpd::WebSocket>& socket) { app.remote->opened(socket); };
  sockets.message = [&app](const std::shared_ptr<httpd::WebSocket>& socket, std::string_view message, bool binary) {
    app.remote->received(socket, message, binary);
  };
  sockets.close = [&app](const std::shared_ptr<httpd::WebSocket>& socket) { app.remote->closed(socket); };
  handlers.websocket = std::move(sockets);
  handlers.done = access_logger(app.metrics, "ws");
  return handlers;
}

}  // namespace tml::server
