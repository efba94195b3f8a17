// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

#include "common/base/log.hpp"
#include "common/base/spawn.hpp"
#include "forwarder/sources.hpp"

namespace tml::forwarder {
namespace {

namespace asio = boost::asio;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr Millis kConnectTimeout{10'000};
constexpr std::size_t kMaxOutbox = std::size_t{64} * 1024;

/// Answers to the peer, written one after the other; lives as long as a write is under way.
struct Outbox : std::enable_shared_from_this<Outbox> {
  explicit Outbox(asio::ip::tcp::socket the_socket) : socket(std::move(the_socket)) {}

  void send(std::string bytes) {
    // A peer that asks without end and reads no answer gets none.
    if (bytes.empty() || waiting.size() > kMaxOutbox) return;
    waiting += bytes;
    if (busy) return;
    busy = true;
    spawn_logged(socket.get_executor(), write_all(shared_from_this()), "telnet");
  }
  static Awaitable<void> write_all(std::shared_ptr<Outbox> self) {
    while (!self->waiting.empty() && self->socket.is_open()) {
      const std::string now = std::exchange(self->waiting, {});
      const auto [error, count] = co_await asio::async_write(self->socket, asio::buffer(now), kTuple);
      if (error) break;
    }
    self->busy = false;
  }

  asio::ip::tcp::socket socket;
  std::string waiting;
  bool busy = false;
};

class TcpSource final : public Source {
 public:
  TcpSource(const SourceWorld& world, std::string name, std::string host, std::string port, Telnet::Mode mode,
            std::uint32_t baud)
      : world_(world),
        name_(std::move(name)),
        host_(std::move(host)),
        port_(std::move(port)),
        mode_(mode),
        baud_(baud),
        pump_(world.executor),
        resolver_(world.executor),
        timer_(world.executor) {}

  Awaitable<Result<void>> run(SourceSink& sink) override;
  void stop() override {
    pump_.stop();
    resolver_.cancel();
    timer_.cancel();
    close_connecting();
  }
  bool comes_back() const override { return true; }
  Awaitable<Result<void>> set_baud(std::uint32_t bits_per_second) override;
  const std::string& name() const override { return name_; }

 private:
  [[nodiscard]] Awaitable<Result<asio::ip::tcp::socket>> connect();
  void take(const Batch& batch, SourceSink& sink);
  [[nodiscard]] std::string where() const { return host_ + ":" + port_; }
  void close_connecting() {
    boost::system::error_code ignored;
    if (connecting_ != nullptr) connecting_->close(ignored);
  }

  SourceWorld world_;
  std::string name_;
  std::string host_;
  std::string port_;
  Telnet::Mode mode_;
  std::uint32_t baud_;
  FdPump pump_;
  asio::ip::tcp::resolver resolver_;
  asio::steady_timer timer_;
  asio::ip::tcp::socket* connecting_ = nullptr;
  std::shared_ptr<Outbox> outbox_;
  std::optional<Telnet> telnet_;
  Batch decoded_;
};

Awaitable<Result<asio::ip::tcp::socket>> TcpSource::connect() {
  asio::ip::tcp::socket socket(world_.executor);
  connecting_ = &socket;
  // Shared with the timer's handler, which may be on its way when this frame goes.
  const auto late = std::make_shared<bool>(false);
  timer_.expires_after(kConnectTimeout);
  timer_.async_wait([this, late](const boost::system::error_code& error) {
    if (error || connecting_ == nullptr) return;
    *late = true;
    resolver_.cancel();
    close_connecting();
  });
  boost::system::error_code error;
  const auto resolved = co_await resolver_.async_resolve(host_, port_, kTuple);
  error = std::get<0>(resolved);
  if (!error && !*late && !pump_.stopped()) {
    const auto connected = co_await asio::async_connect(socket, std::get<1>(resolved), kTuple);
    error = std::get<0>(connected);
  }
  connecting_ = nullptr;
  timer_.cancel();
  if (pump_.stopped()) co_return fail(Errc::interrupted, "stopped", where());
  if (*late) co_return fail(Errc::timeout, "no connection within 10 s", where(), "Is the address right?");
  if (error) {
    Error failed{Errc::network, "cannot connect", where(), "Is the terminal server running there?", error};
    co_return pass(std::move(failed));
  }
  boost::system::error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  // Finds out about a peer that vanished without a word.
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  co_return std::move(socket);
}

void TcpSource::take(const Batch& batch, SourceSink& sink) {
  std::string reply;
  decoded_.clear();
  decoded_.lost_bytes = batch.lost_bytes;
  const Telnet::Mode before = telnet_->mode();
  batch.each([this, &reply](std::span<const std::byte> bytes, stream::Time arrival) {
    const std::size_t begin = decoded_.bytes.size();
    telnet_->push(bytes, decoded_.bytes, reply);
    const std::size_t size = decoded_.bytes.size() - begin;
    if (size != 0) decoded_.pieces.push_back({static_cast<std::uint32_t>(size), arrival});
  });
  if (before == Telnet::Mode::detect && telnet_->mode() == Telnet::Mode::telnet) {
    log_debug(where() + " speaks telnet; asking for RFC 2217");
    if (baud_ != 0) telnet_->set_baud(baud_, reply);
  }
  outbox_->send(std::move(reply));
  if (!decoded_.empty()) sink.on_batch(decoded_);
}

Awaitable<Result<void>> TcpSource::run(SourceSink& sink) {
  pump_.begin();
  auto socket = co_await connect();
  if (!socket) co_return pass(socket.error());
  outbox_ = std::make_shared<Outbox>(*std::move(socket));
  telnet_.emplace(mode_);
  std::string first;
  if (baud_ != 0) telnet_->set_baud(baud_, first);
  first += telnet_->greeting();
  outbox_->send(std::move(first));
  SourceFacts facts;
  facts.where = where();
  facts.has_baud = mode_ != Telnet::Mode::raw;
  facts.identity.topology = "tcp:" + where();
  sink.on_open(facts);
  TapOptions options;
  options.lossy = false;
  auto on_batch = [this, &sink](const Batch& batch) { take(batch, sink); };
  const int fd = outbox_->socket.native_handle();
  auto end = co_await pump_.run(world_.reader, fd, options, std::move(on_batch));
  boost::system::error_code ignored;
  outbox_->socket.close(ignored);
  outbox_.reset();
  if (!end) co_return pass(end.error());
  if (!end->has_value()) co_return fail(Errc::interrupted, "stopped", where());
  if (**end == 0) co_return fail(Errc::network, "the connection was closed", where());
  Error lost{Errc::network, "the connection is lost", where(), {}, std::error_code(**end, std::generic_category())};
  co_return pass(std::move(lost));
}

Awaitable<Result<void>> TcpSource::set_baud(std::uint32_t bits_per_second) {
  baud_ = bits_per_second;
  if (!telnet_ || !outbox_) co_return Result<void>{};
  std::string reply;
  telnet_->set_baud(bits_per_second, reply);
  outbox_->send(std::move(reply));
  if (!telnet_->has_com_port() && telnet_->mode() == Telnet::Mode::raw)
    co_return fail(Errc::unsupported, "the peer offers no way to set the line rate (RFC 2217)", where(),
                   "Set the rate at the terminal server.");
  co_return Result<void>{};
}

}  // namespace

std::unique_ptr<Source> make_tcp_source(const SourceWorld& world, std::string name, std::string host, std::string port,
                                        Telnet::Mode mode, std::uint32_t baud) {
  return std::make_unique<TcpSource>(world, std::move(name), std::move(host), std::move(port), mode, baud);
}

}  // namespace tml::forwarder
