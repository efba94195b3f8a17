// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The REST calls that a tool makes (wire reference 2.3, rows 1 to 10b), over any sender of HTTP requests.
//
// Errors: as the sender's (network, timeout), error_for_status() for a status outside 2xx (auth, not_found, ...),
// Errc::refused for 2xx with success:false (what = the server's words), Errc::malformed for an answer without the
// fields needed. Threads: none; all calls on the caller's executor. The sender outlives the client's calls.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/sync.hpp"
#include "common/http/client.hpp"

namespace tml::remote {

using Sender = std::function<Awaitable<Result<http::Response>>(http::Request)>;

struct Project {
  std::int64_t id = 0;
  std::string name;
  std::string owner;
  bool csv_wizard = false;  ///< Row 6 only: the project says how its CSV files are read (wire reference 4.2).
};

/// One of the two; both empty for the login calls.
struct Credentials {
  std::string api_key;
  std::string jwt;
};

class ApiClient {
 public:
  /// `base`: Endpoints::api, without "/v1".
  ApiClient(std::string base, Sender sender) : base_(std::move(base)), sender_(std::move(sender)) {}

  void set_credentials(Credentials credentials) { credentials_ = std::move(credentials); }

  /// Row 1. Errc::not_found or Errc::refused for an unknown user.
  [[nodiscard]] Awaitable<Result<bool>> needs_password(std::string user);
  /// Row 2: the token. `totp` empty at first; see wants_totp().
  [[nodiscard]] Awaitable<Result<std::string>> login(std::string user, std::string password, std::string totp);
  /// Rows 4 and 5: makes the developer profile where there is none.
  [[nodiscard]] Awaitable<Result<void>> ensure_developer_profile();
  /// Row 3.
  [[nodiscard]] Awaitable<Result<std::vector<Project>>> projects();
  /// Row 6; also tells whether the key is good.
  [[nodiscard]] Awaitable<Result<Project>> project(std::int64_t id);
  /// Row 7. Empty when the project has none.
  [[nodiscard]] Awaitable<Result<std::string>> hmac_key(std::int64_t project);
  /// Row 8: the key, shown this once.
  [[nodiscard]] Awaitable<Result<std::string>> create_api_key(std::int64_t project, std::string host_name);
  /// Row 9, ifNotExists.
  [[nodiscard]] Awaitable<Result<void>> create_device(std::int64_t project, std::string device_id, std::string type);
  /// Row 10: the device's name.
  [[nodiscard]] Awaitable<Result<std::string>> device_name(std::int64_t project, std::string device_id);
  /// Row 10b.
  [[nodiscard]] Awaitable<Result<void>> rename_device(std::int64_t project, std::string device_id, std::string name);

 private:
  [[nodiscard]] Awaitable<Result<std::string>> get(std::string path);
  [[nodiscard]] Awaitable<Result<std::string>> call(const char* method, std::string path, std::string body);

  std::string base_;
  Sender sender_;
  Credentials credentials_;
};

/// login() failed since the account wants a second factor.
[[nodiscard]] bool wants_totp(const Error& error);

}  // namespace tml::remote
