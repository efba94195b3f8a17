// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>

#include "common/httpd/session_detail.hpp"

namespace tml::httpd::detail {
namespace {

namespace websocket = beast::websocket;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

struct Outgoing {
  std::string message;
  bool binary = false;
};

/// The handle's shared part. `queue` and what follows belong to the loop thread; `remote` and `mailbox` never change.
struct Link final : WebSocket, std::enable_shared_from_this<Link> {
  std::shared_ptr<Mailbox> mailbox;
  std::string remote_address;
  std::size_t max_queued_bytes = 0;
  std::deque<Outgoing> queue;
  std::size_t queued_bytes = 0;
  std::optional<websocket::close_reason> closing;
  bool ended = false;
  asio::steady_timer* wake = nullptr;

  void send_text(std::string message) override { enqueue(Outgoing{std::move(message), false}); }
  void send_binary(std::string message) override { enqueue(Outgoing{std::move(message), true}); }
  const std::string& remote() const override { return remote_address; }

  void close(std::uint16_t code, std::string reason) override {
    mailbox->post([self = shared_from_this(), code, reason = std::move(reason)]() { self->close_here(code, reason); });
  }

  void close_here(std::uint16_t code, const std::string& reason) {
    if (ended || closing) return;
    // A close frame carries at most 123 bytes of text (RFC 6455 section 5.5).
    closing = websocket::close_reason(static_cast<websocket::close_code>(code),
                                      beast::string_view(reason.data(), std::min<std::size_t>(reason.size(), 120)));
    if (wake != nullptr) wake->cancel();
  }

  void enqueue(Outgoing message) {
    mailbox->post([self = shared_from_this(), message = std::move(message)]() mutable {
      if (self->ended || self->closing) return;
      self->queued_bytes += message.message.size();
      if (self->queued_bytes > self->max_queued_bytes) {
        self->queue.clear();
        self->close_here(websocket::close_code::policy_error, "too slow: too many unread messages");
        return;
      }
      self->queue.push_back(std::move(message));
      if (self->wake != nullptr) self->wake->cancel();
    });
  }
};

template <class Stream>
asio::awaitable<void> write_loop(std::shared_ptr<websocket::stream<Stream>> ws, std::shared_ptr<Link> link) {
  asio::steady_timer wake(ws->get_executor(), asio::steady_timer::time_point::max());
  link->wake = &wake;
  while (!link->ended) {
    if (!link->queue.empty()) {
      const Outgoing next = std::move(link->queue.front());
      link->queue.pop_front();
      ws->binary(next.binary);
      const auto buffer = asio::buffer(next.message);
      const auto [error, written] = co_await ws->async_write(buffer, kAwait);
      link->queued_bytes -= std::min(link->queued_bytes, next.message.size());
      if (error) break;
      continue;
    }
    if (link->closing) {
      const websocket::close_reason reason = *link->closing;
      co_await ws->async_close(reason, kAwait);
      break;
    }
    wake.expires_at(asio::steady_timer::time_point::max());
    co_await wake.async_wait(kAwait);
  }
  link->wake = nullptr;
  link->ended = true;
}

template <class Stream>
asio::awaitable<void> run(Stream stream, Upgrade request, Core& core, const WebSocketHandlers& handlers,
                          std::string remote, std::shared_ptr<Connection> connection) {
  auto ws = std::make_shared<websocket::stream<Stream>>(std::move(stream));
  beast::get_lowest_layer(*ws).expires_never();
  websocket::stream_base::timeout timeouts{};
  timeouts.handshake_timeout = core.options.header_timeout;
  timeouts.idle_timeout = core.options.ws_idle_timeout;
  timeouts.keep_alive_pings = true;
  ws->set_option(timeouts);
  ws->read_message_max(core.options.max_message_bytes);
  auto link = std::make_shared<Link>();
  link->mailbox = core.mailbox;
  link->remote_address = std::move(remote);
  link->max_queued_bytes = core.options.max_queued_ws_bytes;
  connection->close_now = [ws]() { beast::get_lowest_layer(*ws).close(); };
  connection->close_gently = [link]() { link->close_here(websocket::close_code::going_away, "server stops"); };

  const auto [accept_error] = co_await ws->async_accept(request, kAwait);
  if (accept_error) {
    connection->close_now = nullptr;
    co_return;
  }
  const std::shared_ptr<WebSocket> handle = link;
  auto executor = co_await asio::this_coro::executor;
  asio::steady_timer writer_ended(executor, asio::steady_timer::time_point::max());
  bool writer_done = false;
  auto on_writer_end = [ws, link, &writer_done, &writer_ended](const std::exception_ptr& fault) {
    writer_done = true;
    link->ended = true;
    // The reader notices at once: a writer that gave up leaves nothing to read for.
    if (fault || !link->closing) beast::get_lowest_layer(*ws).close();
    writer_ended.cancel();
  };
  asio::co_spawn(executor, write_loop<Stream>(ws, link), std::move(on_writer_end));
  if (handlers.open) handlers.open(handle);
  beast::flat_buffer buffer;
  for (;;) {
    const auto [error, bytes] = co_await ws->async_read(buffer, kAwait);
    if (error) break;
    const auto data = buffer.data();
    const std::string_view message(static_cast<const char*>(data.data()), data.size());
    if (handlers.message && !link->closing) handlers.message(handle, message, ws->got_binary());
    buffer.consume(buffer.size());
    // One large message must not keep its memory for the life of the connection.
    if (buffer.capacity() > 64 * 1024) buffer.shrink_to_fit();
  }
  link->ended = true;
  if (link->wake != nullptr) link->wake->cancel();
  if (handlers.close) handlers.close(handle);
  beast::get_lowest_layer(*ws).close();
  while (!writer_done) co_await writer_ended.async_wait(kAwait);
  connection->close_now = nullptr;
  connection->close_gently = nullptr;
}

}  // namespace

asio::awaitable<void> run_websocket(PlainStream stream, Upgrade request, Core& core, const WebSocketHandlers& handlers,
                                    std::string remote, std::shared_ptr<Connection> connection) {
  return run(std::move(stream), std::move(request), core, handlers, std::move(remote), std::move(connection));
}

asio::awaitable<void> run_websocket(TlsStream stream, Upgrade request, Core& core, const WebSocketHandlers& handlers,
                                    std::string remote, std::shared_ptr<Connection> connection) {
  return run(std::move(stream), std::move(request), core, handlers, std::move(remote), std::move(connection));
}

asio::awaitable<void> run_websocket(LocalStream stream, Upgrade request, Core& core, const WebSocketHandlers& handlers,
                                    std::string remote, std::shared_ptr<Connection> connection) {
  return run(std::move(stream), std::move(request), core, handlers, std::move(remote), std::move(connection));
}

}  // namespace tml::httpd::detail
