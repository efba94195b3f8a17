// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// HTTP(S) client on libcurl. One worker thread drives all transfers and keeps connections alive; callers await on their
// own executor. HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honoured; TLS 1.2 or later, certificates always verified.
// Redirects are not followed.
//
// send() may be called from any thread. Cancelling the awaiting coroutine (asio cancellation slot) stops the transfer:
// Errc::interrupted. The Client must outlive its transfers' coroutines, or be destroyed first: the destructor ends what
// is under way with Errc::interrupted and joins. Errors: Errc::network (no connection, lost, TLS; the text says which),
// Errc::timeout, Errc::limit (answer larger than allowed), Errc::usage (bad URL), Errc::interrupted. An HTTP error
// status is a Response, not an error: see error_for_status(). Header values never appear in errors or logs, URLs only
// without user info and query.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"

namespace tml::http {

struct Header {
  std::string name;
  std::string value;  ///< CR, LF and NUL are refused with Errc::usage.
};

/// A body that is produced while it is sent. Called on the client's worker thread.
struct BodySource {
  std::uint64_t size_bytes = 0;
  /// Fills up to `capacity` bytes, returns how many; 0 only at the end; SIZE_MAX = give up (Errc::io).
  std::function<std::size_t(char* out, std::size_t capacity)> read;
  /// Back to the first byte: a kept-alive connection may turn out dead after some were sent. false = cannot.
  std::function<bool()> rewind;
};

struct Progress {
  std::uint64_t sent_bytes = 0;
  std::uint64_t total_bytes = 0;  ///< Of the request body.
};

struct Request {
  std::string method = "GET";
  std::string url;
  /// Not empty: connects to this Unix socket whatever host and port the URL names ("http://localhost/..."); no proxy.
  std::string unix_socket;
  std::vector<Header> headers;
  std::string body;  ///< Sent when `source` is empty.
  std::optional<BodySource> source;
  Millis connect_timeout{10'000};
  Millis idle_timeout{60'000};  ///< Less than 1 byte/s for this long ends the transfer (whole seconds, at least 1).
  Millis total_timeout{0};      ///< 0 = unlimited: a slow link is not a failure.
  std::size_t max_response_bytes = std::size_t{16} * 1024 * 1024;
  /// Called on the caller's executor, at most ten times a second. May be empty.
  std::function<void(Progress)> on_progress;
};

struct Response {
  int status = 0;
  std::vector<Header> headers;
  std::string body;
  std::chrono::microseconds elapsed{0};

  /// First header of that name, compared without case; empty when absent.
  [[nodiscard]] std::string_view header(std::string_view name) const;
  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
};

struct ClientOptions {
  std::string user_agent = "EDGE_IMPULSE_CLI";  ///< Some servers look at it (wire reference 2.3).
  std::string ca_file;                          ///< PEM bundle. Empty = SSL_CERT_FILE's, else the system's.
  long max_connections_per_host = 16;
};

class Client {
 public:
  explicit Client(ClientOptions options = {});
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] boost::asio::awaitable<Result<Response>> send(Request request);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// The Error that stands for a status outside 2xx: 401/403 -> auth, 404 -> not_found, 408/504 -> timeout, 413 -> limit,
/// 409 -> duplicate, 5xx and 429 -> server_error, other 4xx -> refused. Text: the `error` field of a JSON body, else
/// its first 200 printable characters.
[[nodiscard]] Error error_for_status(const Response& response, std::string_view url);

/// Scheme, host, port and path: what may be shown of a URL.
[[nodiscard]] std::string printable_url(std::string_view url);

/// True for header names whose values are secrets (x-api-key, authorization, cookie, x-jwt-token, *key*, *token*,
/// *secret*).
[[nodiscard]] bool is_secret_header(std::string_view name);

}  // namespace tml::http
