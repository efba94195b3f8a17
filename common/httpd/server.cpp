// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Listeners, the loop and its end. What is said on a connection is http_session.cpp's.
#include "common/httpd/server.hpp"

#include <sys/stat.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "common/base/random.hpp"
#include "common/httpd/core.hpp"
#include "common/httpd/socket_file.hpp"

namespace tml::httpd {
namespace detail {
namespace {
using boost::system::error_code;
using tcp = asio::ip::tcp;
using local = asio::local::stream_protocol;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

struct Listener {
  explicit Listener(Listen given) : listen(std::move(given)) {}
  Listen listen;
  std::optional<asio::ssl::context> tls;
  std::optional<SocketFile> file;
  std::function<void()> close;
};

void greet(Core& core, Listener& listener, tcp::socket socket) {
  start_session(core, listener.listen, listener.tls ? &*listener.tls : nullptr, std::move(socket));
}

void greet(Core& core, Listener& listener, local::socket socket) {
  start_session(core, listener.listen, std::move(socket));
}

template <class Acceptor>
asio::awaitable<void> accept_loop(Core& core, Listener& listener, std::shared_ptr<Acceptor> acceptor) {
  asio::steady_timer pause(core.io);
  for (;;) {
    auto [error, socket] = co_await acceptor->async_accept(kAwait);
    if (core.stopping || error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of descriptors: accepting again at once would spin.
      pause.expires_after(std::chrono::milliseconds(50));
      co_await pause.async_wait(kAwait);
      continue;
    }
    if (core.connections.size() >= core.options.max_connections) {
      error_code ignored;
      static constexpr std::string_view kBusy =
          "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(kBusy), ignored);
      socket.close(ignored);
      continue;
    }
    greet(core, listener, std::move(socket));
  }
}

asio::awaitable<void> repeat(Core& core, Millis interval, std::function<void()> work) {
  asio::steady_timer timer(core.io);
  while (!core.stopping) {
    timer.expires_after(interval);
    co_await timer.async_wait(kAwait);
    if (!core.stopping) work();
  }
}

Error from_code(const error_code& code, std::string what, std::string where) {
  Error error = fail_errno(code.value(), std::move(what), std::move(where)).value();
  if (code == asio::error::address_in_use) {
    error.code = Errc::busy;
    error.hint = "Another program listens there; choose another port.";
  }
  return error;
}

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(Options options) : core_(std::move(options)) {}

  ~ServerImpl() override {
    core_.mailbox->close();
    core_.file_pool.join();
  }

  Result<std::uint16_t> listen(Listen listen) override {
    if (!listen.unix_path.empty()) return listen_local(std::move(listen));
    const std::string where = listen.address + ":" + std::to_string(listen.port);
    error_code error;
    const auto address = asio::ip::make_address(listen.address, error);
    if (error) return fail(Errc::usage, "not an IP address", listen.address);
    tcp::endpoint endpoint(address, listen.port);
    auto listener = std::make_unique<Listener>(std::move(listen));
    if (listener->listen.tls) {
      listener->tls.emplace(asio::ssl::context::tls_server);
      auto& tls = *listener->tls;
      tls.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                          asio::ssl::context::no_tlsv1_1 | asio::ssl::context::single_dh_use,
                      error);
      if (!error) tls.use_certificate_chain_file(listener->listen.tls->certificate_chain, error);
      if (error)
        return fail(Errc::usage, "cannot use the TLS certificate: " + error.message(),
                    listener->listen.tls->certificate_chain);
      tls.use_private_key_file(listener->listen.tls->private_key, asio::ssl::context::pem, error);
      if (error)
        return fail(Errc::usage, "cannot use the TLS key: " + error.message(), listener->listen.tls->private_key);
    }
    auto acceptor = std::make_shared<tcp::acceptor>(core_.io);
    acceptor->open(endpoint.protocol(), error);
    if (!error) acceptor->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor->bind(endpoint, error);
    if (!error) acceptor->listen(1024, error);
    if (error) return pass(from_code(error, "cannot listen on", where));
    const std::uint16_t port = acceptor->local_endpoint(error).port();
    accept(std::move(listener), std::move(acceptor));
    return port;
  }

  void run() override {
    const auto work = asio::make_work_guard(core_.io);
    core_.io.run();
    core_.mailbox->close();
  }

  void stop() override {
    core_.mailbox->post([this]() { stop_here(); });
  }

  void post(std::function<void()> work) override { core_.mailbox->post(std::move(work)); }

  void every(Millis interval, std::function<void()> work) override {
    asio::co_spawn(core_.io, repeat(core_, interval, std::move(work)), [](const std::exception_ptr&) {});
  }

  void on_signals(std::function<void(int)> work) override {
    signals_.emplace(core_.io, SIGINT, SIGTERM);
    signal_work_ = std::move(work);
    wait_signal();
  }

  std::size_t connections() const override { return core_.connections.size(); }

 private:
  Result<std::uint16_t> listen_local(Listen listen) {
    auto file = SocketFile::claim(listen.unix_path);
    if (!file) return pass(file.error());
    const std::string where = listen.unix_path.string();
    auto listener = std::make_unique<Listener>(std::move(listen));
    listener->file = *std::move(file);
    auto acceptor = std::make_shared<local::acceptor>(core_.io);
    error_code error;
    acceptor->open(local(), error);
    if (!error) acceptor->bind(local::endpoint(where), error);
    // Nobody can connect before listen(), so the mode is right from the first moment.
    if (!error && ::chmod(where.c_str(), 0600) != 0) error.assign(errno, boost::system::system_category());
    if (!error) acceptor->listen(64, error);
    if (error) return pass(from_code(error, "cannot listen on", where));
    accept(std::move(listener), std::move(acceptor));
    return std::uint16_t{0};
  }

  template <class Acceptor>
  void accept(std::unique_ptr<Listener> listener, std::shared_ptr<Acceptor> acceptor) {
    listener->close = [acceptor, file = listener.get()] {
      error_code ignored;
      acceptor->close(ignored);
      file->file.reset();
    };
    listeners_.push_back(std::move(listener));
    asio::co_spawn(core_.io, accept_loop(core_, *listeners_.back(), std::move(acceptor)),
                   [](const std::exception_ptr&) {});
  }

  void wait_signal() {
    signals_->async_wait([this](const error_code& error, int number) {
      if (error) return;
      signal_work_(number);
      wait_signal();
    });
  }

  void stop_here() {
    if (core_.stopping) return;
    core_.stopping = true;
    for (auto& listener : listeners_) {
      listener->close();
    }
    // Closing may erase; walk over a copy.
    const auto connections = core_.connections;
    for (const auto& [id, connection] : connections) {
      if (connection->close_gently) {
        connection->close_gently();
      } else if (connection->idle && connection->close_now) {
        connection->close_now();
      }
    }
    deadline_ = std::chrono::steady_clock::now() + core_.options.stop_grace;
    asio::co_spawn(core_.io, finish(), [this](const std::exception_ptr&) { core_.io.stop(); });
  }

  asio::awaitable<void> finish() {
    asio::steady_timer timer(core_.io);
    while (!core_.connections.empty() && std::chrono::steady_clock::now() < deadline_) {
      timer.expires_after(std::chrono::milliseconds(5));
      co_await timer.async_wait(kAwait);
    }
    const auto connections = core_.connections;
    for (const auto& [id, connection] : connections) {
      if (connection->close_now) connection->close_now();
    }
    for (int i = 0; i < 100 && !core_.connections.empty(); ++i) {
      timer.expires_after(std::chrono::milliseconds(5));
      co_await timer.async_wait(kAwait);
    }
  }

  Core core_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::optional<asio::signal_set> signals_;
  std::function<void(int)> signal_work_;
  std::chrono::steady_clock::time_point deadline_;
};

}  // namespace

void Mailbox::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (io_ != nullptr) asio::post(*io_, std::move(work));
}

void Mailbox::close() {
  const std::lock_guard lock(mutex_);
  io_ = nullptr;
}

Core::Core(Options given) : options(std::move(given)), mailbox(std::make_shared<Mailbox>(io)) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::uint64_t number = system_random().next_u64();
  for (int i = 0; i < 8; ++i, number >>= 4) process_id.push_back(kDigits[number & 15]);
  process_id.push_back('-');
}

}  // namespace detail

std::unique_ptr<Server> Server::create(Options options) {
  return std::make_unique<detail::ServerImpl>(std::move(options));
}

}  // namespace tml::httpd
