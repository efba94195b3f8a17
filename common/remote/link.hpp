// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One device's remote management connection (wire reference 2.6): connects, says hello, hands on what the server says,
// and reconnects with jittered back-off for as long as it is wanted. Sampling does not depend on it: messages that find
// no connection are dropped.
//
// Held by shared_ptr; all calls and callbacks on its executor. After stop() no callback comes any more, even though a
// connection attempt may take a while to end.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "common/base/sync.hpp"
#include "common/http/backoff.hpp"
#include "common/http/websocket.hpp"
#include "common/remote/protocol.hpp"

namespace tml::remote {

using Connector = std::function<Awaitable<Result<std::unique_ptr<http::WebSocket>>>(http::WebSocketOptions)>;

struct LinkOptions {
  http::WebSocketOptions socket;
  Encoding encoding = Encoding::json;  ///< Of hello and of everything after it.
  http::BackoffOptions backoff{Millis{1'000}, Millis{30'000}};
  /// After hello:false: the server is there and will say the same again soon.
  http::BackoffOptions rejected{Millis{30'000}, Millis{300'000}};
  Millis hello_timeout{10'000};
  std::size_t max_queued = 64;
};

struct LinkEvents {
  std::function<void()> on_accepted;
  /// Connection lost, not made, or hello refused (Errc::auth when the key is to blame, else Errc::refused).
  std::function<void(const Error&, Millis retry_in)> on_down;
  std::function<void(ServerMessage)> on_message;
};

class Link : public std::enable_shared_from_this<Link> {
 public:
  Link(boost::asio::any_io_executor executor, Connector connect, LinkOptions options, Random& random,
       LinkEvents events);

  /// Connects with this hello; a running connection is replaced.
  void start(std::string hello);
  /// Closes politely, without waiting.
  void stop();
  /// Queues one frame, in the encoding of the connection. Dropped without a connection, or when `max_queued` wait
  /// already.
  void post(std::string message);
  [[nodiscard]] bool accepted() const { return accepted_; }
  /// Connected, and everything posted has been taken by the system: a message posted now does not wait behind another.
  /// Who has more than the line may carry (pictures) posts only then, and drops the rest.
  [[nodiscard]] bool idle() const { return accepted_ && socket_ && !writing_ && queue_.empty(); }

 private:
  [[nodiscard]] Awaitable<void> keep_connected(std::uint64_t generation);
  [[nodiscard]] Awaitable<Error> talk(std::uint64_t generation, std::shared_ptr<http::WebSocket> socket);
  [[nodiscard]] Awaitable<Result<HelloReply>> say_hello(std::shared_ptr<http::WebSocket> socket);
  [[nodiscard]] Awaitable<void> write_queue(std::shared_ptr<http::WebSocket> socket);
  void spawn(Awaitable<void> task);

  boost::asio::any_io_executor executor_;
  Connector connect_;
  LinkOptions options_;
  Random& random_;
  LinkEvents events_;
  Pause pause_;
  std::string hello_;
  std::shared_ptr<http::WebSocket> socket_;
  std::deque<std::string> queue_;
  std::uint64_t generation_ = 0;
  bool accepted_ = false;
  bool writing_ = false;
};

/// http::WebSocket::connect.
[[nodiscard]] Connector websocket_connector();

}  // namespace tml::remote
