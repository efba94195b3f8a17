// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the loop of a server and its connections share; Asio without Beast. Not for anyone outside this library.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "common/httpd/server.hpp"

namespace tml::httpd::detail {

namespace asio = boost::asio;

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

/// Serves a connection that was just accepted, until it ends; it is in Core::connections meanwhile. `tls` null: plain.
/// Loop thread; `listen` and `tls` outlive the loop.
void start_session(Core& core, const Listen& listen, asio::ssl::context* tls, asio::ip::tcp::socket socket);
void start_session(Core& core, const Listen& listen, asio::local::stream_protocol::socket socket);

}  // namespace tml::httpd::detail
