// SPDX-License-Identifier: Apache-2.0
#include "common/remote/link.hpp"

#include <boost/asio/co_spawn.hpp>

#include "common/base/log.hpp"
#include "common/base/spawn.hpp"

namespace tml::remote {

Connector websocket_connector() {
  return [](http::WebSocketOptions options) { return http::WebSocket::connect(std::move(options)); };
}

Link::Link(boost::asio::any_io_executor executor, Connector connect, LinkOptions options, Random& random,
           LinkEvents events)
    : executor_(executor),
      connect_(std::move(connect)),
      options_(std::move(options)),
      random_(random),
      events_(std::move(events)),
      pause_(executor) {}

void Link::spawn(Awaitable<void> task) { spawn_logged(executor_, std::move(task), "remote management"); }

void Link::start(std::string hello) {
  stop();
  hello_ = std::move(hello);
  spawn(keep_connected(generation_));
}

void Link::stop() {
  ++generation_;
  accepted_ = false;
  queue_.clear();
  pause_.wake();
  if (!socket_) return;
  auto close = [](std::shared_ptr<http::WebSocket> socket) -> Awaitable<void> { co_await socket->close(); };
  spawn(close(std::exchange(socket_, nullptr)));
}

void Link::post(std::string message) {
  if (!accepted_ || !socket_ || queue_.size() >= options_.max_queued) return;
  queue_.push_back(std::move(message));
  if (writing_) return;
  writing_ = true;
  spawn(write_queue(socket_));
}

Awaitable<void> Link::write_queue(std::shared_ptr<http::WebSocket> socket) {
  const auto self = shared_from_this();
  while (socket_ == socket && !queue_.empty()) {
    http::Message message;
    message.data = std::move(queue_.front());
    message.binary = options_.encoding == Encoding::cbor;
    queue_.pop_front();
    auto written = co_await socket->write(std::move(message));
    if (!written) break;  // The reader sees the same loss and reports it.
  }
  writing_ = false;
  // A new connection may have taken messages while the old one's last write was pending.
  if (socket_ && socket_ != socket && !queue_.empty()) {
    writing_ = true;
    spawn(write_queue(socket_));
  }
}

Awaitable<Result<HelloReply>> Link::say_hello(std::shared_ptr<http::WebSocket> socket) {
  http::Message hello;
  hello.data = hello_;
  hello.binary = options_.encoding == Encoding::cbor;
  auto written = co_await socket->write(std::move(hello));
  if (!written) co_return pass(written.error());
  // The answer has a time limit of its own; the guard ends the read by ending the socket.
  auto deadline = std::make_shared<boost::asio::steady_timer>(executor_, options_.hello_timeout);
  auto expired = std::make_shared<bool>(false);
  deadline->async_wait([socket, expired](const boost::system::error_code& error) {
    if (error) return;
    *expired = true;
    socket->abort();
  });
  auto answer = co_await socket->read();
  deadline->cancel();
  if (*expired) co_return fail(Errc::timeout, "the server does not answer hello", options_.socket.url);
  if (!answer) co_return pass(answer.error());
  auto parsed = parse_server_message(answer->data, options_.encoding);
  if (!parsed) co_return pass(parsed.error());
  if (const auto* refusal = std::get_if<ServerError>(&*parsed)) co_return HelloReply{false, refusal->text, {}};
  const auto* reply = std::get_if<HelloReply>(&*parsed);
  if (reply == nullptr) {
    co_return fail(Errc::malformed, "the server answers hello with something else", options_.socket.url,
                   "Check --host");
  }
  co_return *reply;
}

Awaitable<Error> Link::talk(std::uint64_t generation, std::shared_ptr<http::WebSocket> socket) {
  auto reply = co_await say_hello(socket);
  if (!reply) co_return reply.error();
  if (generation != generation_) co_return Error{Errc::interrupted, "stopped", {}, {}, {}};
  if (!reply->accepted) {
    const bool auth = is_auth_refusal(reply->error);
    co_return Error{auth ? Errc::auth : Errc::refused,
                    "the server refuses the board: " + reply->error,
                    options_.socket.url,
                    auth ? "Check the API key (--api-key) and the project" : "",
                    {}};
  }
  accepted_ = true;
  events_.on_accepted();
  while (generation == generation_) {
    auto message = co_await socket->read();
    if (generation != generation_) break;
    if (!message) co_return message.error();
    auto parsed = parse_server_message(message->data, options_.encoding);
    if (generation != generation_) break;
    if (!parsed) {
      log_warning("remote management: " + parsed.error().message());
      // A request that cannot be read still wants an answer, else the server waits for it in vain.
      if (message->data.find("sample") != std::string::npos)
        post(sample_failed_message(parsed.error().what, options_.encoding));
      continue;
    }
    events_.on_message(*std::move(parsed));
  }
  co_return Error{Errc::interrupted, "stopped", {}, {}, {}};
}

Awaitable<void> Link::keep_connected(std::uint64_t generation) {
  const auto self = shared_from_this();
  http::Backoff lost(options_.backoff, random_);
  http::Backoff rejected(options_.rejected, random_);
  while (generation == generation_) {
    http::WebSocketOptions socket_options = options_.socket;
    auto connected = co_await connect_(std::move(socket_options));
    if (generation != generation_) co_return;
    Error error;
    if (connected) {
      std::shared_ptr<http::WebSocket> socket(std::move(*connected));
      socket_ = socket;
      error = co_await talk(generation, socket);
      if (generation != generation_) co_return;
      socket_.reset();
      socket->abort();
      queue_.clear();
      if (accepted_) {
        lost.reset();
        rejected.reset();
      }
      accepted_ = false;
    } else {
      error = connected.error();
    }
    const bool refused = error.code == Errc::auth || error.code == Errc::refused;
    const Millis delay = refused ? rejected.next() : lost.next();
    events_.on_down(error, delay);
    if (generation != generation_) co_return;
    // A wake that came before the wait belongs to an earlier start() or stop().
    while (generation == generation_ && co_await pause_.wait_for(delay)) {
    }
  }
}

}  // namespace tml::remote
