// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Shared by the two units of this library that see Asio and Beast; not for anyone else.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <mutex>
#include <unordered_map>

#include "common/httpd/server.hpp"

namespace tml::httpd::detail {

namespace asio = boost::asio;
namespace beast = boost::beast;
using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;
using LocalStream = beast::basic_stream<asio::local::stream_protocol>;
using Upgrade = beast::http::request<beast::http::empty_body>;

/// The way from other threads to the loop. Outlives the server, so that a late answer finds it closed and is dropped.
class Mailbox {
 public:
  explicit Mailbox(asio::io_context& io) : io_(&io) {}
  void post(std::function<void()> work);
  void close();

 private:
  std::mutex mutex_;
  asio::io_context* io_;
};

/// One open connection as stop() sees it. Loop thread only.
struct Connection {
  bool idle = true;                    ///< Between requests: may be closed at once.
  std::function<void()> close_now;     ///< Cuts the transport.
  std::function<void()> close_gently;  ///< WebSockets say goodbye; empty for HTTP.
};

struct Core {
  explicit Core(Options given);
  Options options;
  asio::io_context io{1};
  std::shared_ptr<Mailbox> mailbox;
  asio::thread_pool file_pool{1};
  std::unordered_map<std::uint64_t, std::shared_ptr<Connection>> connections;
  std::uint64_t next_connection = 1;
  std::uint64_t next_request = 1;
  std::string process_id;  ///< Random; makes request ids differ between runs.
  bool stopping = false;
};

/// Takes over a connection whose upgrade request was read. Returns when it has ended.
asio::awaitable<void> run_websocket(PlainStream stream, Upgrade request, Core& core, const WebSocketHandlers& handlers,
                                    std::string remote, std::shared_ptr<Connection> connection);
asio::awaitable<void> run_websocket(TlsStream stream, Upgrade request, Core& core, const WebSocketHandlers& handlers,
                                    std::string remote, std::shared_ptr<Connection> connection);
asio::awaitable<void> run_websocket(LocalStream stream, Upgrade request, Core& core, const WebSocketHandlers& handlers,
                                    std::string remote, std::shared_ptr<Connection> connection);

}  // namespace tml::httpd::detail
