// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// WebSocket client (RFC 6455), ws:// and wss:// (SNI, certificate verified, TLS 1.2 or later), through an HTTP CONNECT
// proxy (with its user and password) where HTTPS_PROXY / HTTP_PROXY says so and NO_PROXY does not. Sends a ping every
// `ping_every` and counts as dead without a pong within `pong_within` (wire reference 2.6).
//
// All functions run on the executor of the coroutine that called connect(), which must be single-threaded or a strand.
// One read() at a time; write() may be called by several coroutines, messages go out whole and in order. Destroying the
// object drops the connection. Reconnecting is the caller's business: see Backoff. Errors: Errc::network (refused,
// lost, TLS), Errc::timeout (connect or pong), Errc::limit (message too large), Errc::usage (URL), Errc::refused (no
// upgrade: HTTP status in the text), Errc::interrupted (closed by us).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"

namespace tml::http {

struct WebSocketOptions {
  std::string url;  ///< "ws://host[:port][/path]" or "wss://..."
  std::string user_agent = "EDGE_IMPULSE_CLI";
  std::string ca_file;  ///< PEM bundle. Empty = SSL_CERT_FILE's, else the system's.
  std::vector<std::pair<std::string, std::string>> headers;  ///< Added to the upgrade request.
  Millis connect_timeout{10'000};                            ///< Name lookup, TCP, proxy, TLS and upgrade together.
  Millis ping_every{30'000};                                 ///< 0 = no pings.
  Millis pong_within{6'000};
  std::size_t max_message_bytes = std::size_t{16} * 1024 * 1024;
};

struct Message {
  bool binary = false;
  std::string data;
};

class WebSocket {
 public:
  [[nodiscard]] static boost::asio::awaitable<Result<std::unique_ptr<WebSocket>>> connect(WebSocketOptions options);
  virtual ~WebSocket() = default;

  /// The next whole message. Errc::network with `where` = close code and reason when the other side closed.
  [[nodiscard]] virtual boost::asio::awaitable<Result<Message>> read() = 0;
  /// Returns when the message is handed to the kernel.
  [[nodiscard]] virtual boost::asio::awaitable<Result<void>> write(Message message) = 0;
  /// Close handshake, 2 s at most, then the socket is closed in any case.
  [[nodiscard]] virtual boost::asio::awaitable<void> close(std::uint16_t code = 1000, std::string reason = {}) = 0;
  /// Ends everything at once; reads and writes under way fail with Errc::interrupted.
  virtual void abort() = 0;
};

/// The proxy URL that the environment names for a scheme and host, if any (also lower-case variables; NO_PROXY: names,
/// suffixes, "*").
[[nodiscard]] std::optional<std::string> proxy_for(std::string_view scheme, std::string_view host);

/// "Basic ..." (RFC 7617) from the user info of a proxy URL, percent-decoded; empty without one. A secret.
[[nodiscard]] std::string proxy_authorization(std::string_view proxy_url);

}  // namespace tml::http
