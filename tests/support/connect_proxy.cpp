// SPDX-License-Identifier: Apache-2.0
#include "tests/support/connect_proxy.hpp"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <mutex>
#include <thread>
#include <utility>

namespace tml::test {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kMaxHead = 8192;

using SharedSocket = std::shared_ptr<tcp::socket>;

asio::awaitable<void> pump(SharedSocket from, SharedSocket to) {
  std::array<char, 8192> bytes{};
  while (true) {
    const auto space = asio::buffer(bytes);
    const auto [read_code, size] = co_await from->async_read_some(space, kAwait);
    if (read_code) break;
    const auto piece = asio::buffer(bytes.data(), size);
    const auto [write_code, written] = co_await asio::async_write(*to, piece, kAwait);
    if (write_code || written != size) break;
  }
  boost::system::error_code ignored;
  to->shutdown(tcp::socket::shutdown_send, ignored);
}

}  // namespace

struct ConnectProxy::Impl {
  Impl(std::uint16_t target_port, std::string given_refusal)
      : acceptor(io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)),
        target(asio::ip::make_address("127.0.0.1"), target_port),
        refusal(std::move(given_refusal)) {}

  asio::awaitable<void> accept_all() {
    while (true) {
      auto [code, socket] = co_await acceptor.async_accept(kAwait);
      if (code) co_return;
      auto client = std::make_shared<tcp::socket>(std::move(socket));
      asio::co_spawn(io, serve(std::move(client)), asio::detached);
    }
  }

  asio::awaitable<void> serve(SharedSocket client) {
    std::string head;
    auto into = asio::dynamic_buffer(head, kMaxHead);
    const auto [read_code, size] = co_await asio::async_read_until(*client, into, "\r\n\r\n", kAwait);
    if (read_code) co_return;
    {
      const std::lock_guard lock(mutex);
      requests.push_back(head.substr(0, size));
    }
    const bool is_connect = head.starts_with("CONNECT ");
    std::string answer = "HTTP/1.1 200 Connection established\r\n\r\n";
    if (!is_connect) answer = "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n";
    if (!refusal.empty()) answer = "HTTP/1.1 " + refusal + "\r\nContent-Length: 0\r\n\r\n";
    auto server = std::make_shared<tcp::socket>(io);
    const bool wanted = is_connect && refusal.empty();
    if (wanted) {
      const auto [connect_code] = co_await server->async_connect(target, kAwait);
      if (connect_code) answer = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
    }
    const auto text = asio::buffer(answer);
    const auto [write_code, written] = co_await asio::async_write(*client, text, kAwait);
    if (write_code || written != answer.size() || !wanted) co_return;
    asio::co_spawn(io, pump(client, server), asio::detached);
    asio::co_spawn(io, pump(server, client), asio::detached);
  }

  asio::io_context io{1};
  tcp::acceptor acceptor;
  tcp::endpoint target;
  std::string refusal;
  mutable std::mutex mutex;
  std::vector<std::string> requests;  // Guarded by mutex.
  std::thread thread;
};

ConnectProxy::ConnectProxy(std::uint16_t target_port, std::string refusal)
    : impl_(std::make_unique<Impl>(target_port, std::move(refusal))) {
  asio::co_spawn(impl_->io, impl_->accept_all(), asio::detached);
  impl_->thread = std::thread([impl = impl_.get()] { impl->io.run(); });
}

ConnectProxy::~ConnectProxy() {
  impl_->io.stop();
  impl_->thread.join();
}

std::uint16_t ConnectProxy::port() const { return impl_->acceptor.local_endpoint().port(); }

std::vector<std::string> ConnectProxy::requests() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->requests;
}

}  // namespace tml::test
