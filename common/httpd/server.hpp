// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// HTTP/1.1 and WebSocket server over TCP, TLS and Unix sockets: one loop thread, any number of listeners, each with its
// own handlers.
//
// Threads: run() turns the calling thread into the loop; every callback runs there and must not block. post(), stop(),
// Responder::send and the WebSocket functions may be called from any thread.
// Bounds: everything a client can make grow has a limit in Options (header bytes, body bytes per request, time per
// step, connections, queued WebSocket bytes). Bodies above `memory_body_bytes` are written to an unlinked file and
// mapped. Protocol: RFC 9112 (keep-alive, pipelining, chunked bodies, Expect: 100-continue), RFC 6455.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"
#include "common/httpd/types.hpp"

namespace tml::httpd {

struct Options {
  std::size_t max_header_bytes = 32 * 1024;
  std::size_t memory_body_bytes = 1024 * 1024;  ///< Larger bodies go to a file in `temp_dir`.
  /// Shared out among the connections: with many of them bodies go to files earlier (never below 16 KiB).
  std::size_t all_memory_bodies_bytes = std::size_t{64} * 1024 * 1024;
  std::filesystem::path temp_dir = "/tmp";
  Millis header_timeout{10'000};  ///< From the first byte of a request to the end of its header.
  Millis body_timeout{30'000};    ///< For each 256 KiB of body, and for a TLS handshake.
  Millis write_timeout{30'000};   ///< For each 256 KiB of a response.
  Millis idle_timeout{75'000};    ///< Between requests of a connection that is kept alive.
  Millis stop_grace{5'000};       ///< How long stop() waits for requests that are under way.
  std::size_t max_connections = 2048;
  std::size_t max_message_bytes = 2 * 1024 * 1024;    ///< One WebSocket message.
  std::size_t max_queued_ws_bytes = 4 * 1024 * 1024;  ///< Unsent WebSocket bytes; beyond it the connection is closed.
  Millis ws_idle_timeout{60'000};  ///< Silence after which a WebSocket is dropped; a ping goes out at half of it.
  std::vector<std::pair<std::string, std::string>> headers;  ///< Sent with every response, errors included.
};

/// What came of one request; for logs and metrics.
struct Access {
  const Request* request = nullptr;
  unsigned status = 0;
  std::size_t request_bytes = 0;
  std::size_t response_bytes = 0;
  std::chrono::nanoseconds duration{0};
};

/// One open WebSocket. Shared; thread-safe. Sends keep their order. After the connection ended every call does nothing.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  virtual void send_text(std::string message) = 0;
  virtual void send_binary(std::string message) = 0;
  /// Sends what is queued, then a close frame. Codes: RFC 6455 section 7.4.1 (1000 normal, 1008 policy, 1011 fault).
  virtual void close(std::uint16_t code, std::string reason) = 0;
  [[nodiscard]] virtual const std::string& remote() const = 0;
};

struct WebSocketHandlers {
  std::function<void(const std::shared_ptr<WebSocket>&)> open;
  std::function<void(const std::shared_ptr<WebSocket>&, std::string_view message, bool binary)> message;
  std::function<void(const std::shared_ptr<WebSocket>&)> close;  ///< Exactly once after open.
};

/// The verdict on a request whose body has not been read yet.
struct Admission {
  std::size_t max_body_bytes = 64 * 1024;
  std::optional<Response> refusal;  ///< Sent at once; the body is not kept.
};

struct Handlers {
  std::function<Admission(const Request&)> admit;   ///< Optional.
  std::function<void(Request, Responder)> request;  ///< Needed.
  std::optional<WebSocketHandlers> websocket;       ///< Upgrades are refused (426 is not ours to send: 400) without.
  std::function<void(const Access&)> done;          ///< Optional; after the response was written or failed.
};

struct TlsFiles {
  std::string certificate_chain;  ///< PEM file.
  std::string private_key;        ///< PEM file.
};

struct Listen {
  std::string address = "127.0.0.1";  ///< IP literal.
  std::uint16_t port = 0;             ///< 0 = any free one.
  std::optional<TlsFiles> tls;        ///< TLS 1.2 or newer.
  Handlers handlers;
  /// Not empty: a Unix socket here (mode 0600, at most 107 bytes) instead of address, port and TLS. A file beside it,
  /// `unix_path`.lock, is locked while the server lives: a socket file that a dead server left behind is replaced, a
  /// live one's is Errc::busy. Removed when the server stops.
  std::filesystem::path unix_path{};
};

class Server {
 public:
  [[nodiscard]] static std::unique_ptr<Server> create(Options options);
  virtual ~Server() = default;

  /// Binds and starts to accept once run() runs. Returns the port, 0 for a Unix socket. Errc::busy: in use;
  /// Errc::permission; Errc::usage: no IP address, unusable TLS files, a path that is too long or no socket.
  [[nodiscard]] virtual Result<std::uint16_t> listen(Listen listen) = 0;
  /// Serves until stop(); then finishes requests under way within Options::stop_grace.
  virtual void run() = 0;
  virtual void stop() = 0;
  /// Runs `work` on the loop thread, soon.
  virtual void post(std::function<void()> work) = 0;
  /// Runs `work` on the loop thread again and again until the server stops. Call before run() or on the loop thread.
  virtual void every(Millis interval, std::function<void()> work) = 0;
  /// Calls `work(signal_number)` on the loop thread at SIGINT and SIGTERM.
  virtual void on_signals(std::function<void(int)> work) = 0;
  [[nodiscard]] virtual std::size_t connections() const = 0;
};

}  // namespace tml::httpd
