// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The API listener's inside (server/api/openapi.yaml; wire reference 2.3): a table of calls, each with the right it
// needs. Handlers run on the loop thread and hand work that blocks to App::workers or App::writer. Include in .cpp
// files only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/json.hpp"
#include "common/httpd/router.hpp"
#include "server/app.hpp"

namespace tml::server {

/// Who asks: a key, or a logged-in user.
struct Identity {
  std::optional<ApiKey> key;
  const User* user = nullptr;  ///< Into Call::ring.
};

struct Call {
  Call(App& app_given, httpd::Request request_given, httpd::Responder responder_given)
      : app(app_given), request(std::move(request_given)), responder(std::move(responder_given)) {}
  App& app;
  httpd::Request request;
  httpd::Responder responder;
  httpd::Parameters parameters;
  std::shared_ptr<const Keyring> ring;
  Identity identity;
  const Project* project = nullptr;  ///< Into `ring`; set when the path has {projectId}.

  [[nodiscard]] const std::string& parameter(const char* name) const { return parameters.find(name)->second; }
  /// {"success": true, ...fields}
  void ok(Json fields = Json::object()) const;
  /// {"success": false, "error": text}
  void error(unsigned status, std::string_view text) const;
  /// An Error as the status that fits it.
  void error(const Error& error) const;
  /// The request's body as an object; answers 400 itself and returns nothing when it is none.
  [[nodiscard]] std::optional<Json> body() const;
};
using CallPtr = std::shared_ptr<Call>;

enum class Access : std::uint8_t { anyone, user, identity, project };

struct ApiRoute {
  const char* method;
  const char* pattern;
  Access access;
  Right right;  ///< For Access::project.
  void (*handler)(const CallPtr&);
};

[[nodiscard]] std::vector<ApiRoute> account_routes();
[[nodiscard]] std::vector<ApiRoute> project_routes();
[[nodiscard]] std::vector<ApiRoute> device_routes();
[[nodiscard]] std::vector<ApiRoute> sample_routes();

/// Runs `work` on a worker, answers 429 when too many wait.
void on_worker(const CallPtr& call, std::function<void(Database&)> work);
/// A decimal number of at most 18 digits.
[[nodiscard]] std::optional<std::int64_t> to_id(std::string_view text);

}  // namespace tml::server
