// SPDX-License-Identifier: Apache-2.0
// Whole connections over real sockets, and above all their ends: answers from other threads, answers that never come,
// and a server that goes away in the middle of everything.
#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <future>
#include <mutex>
#include <thread>

#include "common/httpd/server.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::httpd {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

/// One server on a thread of its own; joined at the latest by the destructor.
class Running {
 public:
  Running(Handlers handlers, Options options = {}) : server_(Server::create(std::move(options))) {
    Listen listen;
    listen.handlers = std::move(handlers);
    const auto bound = server_->listen(std::move(listen));
    EXPECT_TRUE(bound) << (bound ? "" : bound.error().message());
    port_ = bound.value_or(0);
    thread_ = std::thread([this] { server_->run(); });
  }
  ~Running() { stop(); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  void ask_to_stop() { server_->stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    ask_to_stop();
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  std::unique_ptr<Server> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

/// A connection that speaks plain bytes.
class Peer {
 public:
  explicit Peer(const Running& server) : socket_(io_) {
    socket_.connect(tcp::endpoint(asio::ip::make_address("127.0.0.1"), server.port()));
  }
  void say(const std::string& text) {
    boost::system::error_code ignored;
    asio::write(socket_, asio::buffer(text), ignored);
  }
  /// Up to and with `end`; what came before the connection ended when it does not come.
  std::string hear(const std::string& end) {
    boost::system::error_code code;
    const std::size_t size = asio::read_until(socket_, asio::dynamic_buffer(buffer_), end, code);
    std::string text = buffer_.substr(0, code ? buffer_.size() : size);
    buffer_.erase(0, text.size());
    return text;
  }
  std::string hear_all() {
    boost::system::error_code ignored;
    asio::read(socket_, asio::dynamic_buffer(buffer_), ignored);
    return std::move(buffer_);
  }

 private:
  asio::io_context io_;
  tcp::socket socket_;
  std::string buffer_;
};

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"; }

Handlers answering(std::function<void(Request, Responder)> work) {
  Handlers handlers;
  handlers.request = std::move(work);
  return handlers;
}

TEST(Session, PipelinedRequestsAreAnsweredInOrderFromOtherThreads) {
  std::mutex mutex;
  std::vector<std::thread> threads;
  {
    Running server(answering([&](const Request& request, const Responder& responder) {
      const std::lock_guard lock(mutex);
      threads.emplace_back([path = request.path, responder] { responder.send(Response::text(200, path + ";")); });
    }));
    Peer peer(server);
    peer.say(get("/a") + get("/b") + get("/c"));
    for (const std::string path : {"/a;", "/b;", "/c;"}) EXPECT_TRUE(peer.hear(path).ends_with(path));
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Session, BodiesComeWholeFromMemoryAndFileAndInChunks) {
  const tml::test::TempDir folder;
  Options options;
  options.memory_body_bytes = 1000;
  options.all_memory_bodies_bytes = 1000;
  options.temp_dir = folder.path();
  Handlers handlers = answering([](const Request& request, const Responder& responder) {
    Response response;
    response.shared_body = request.body;
    response.headers = {{"x-mapped", request.body->is_mapped() ? "yes" : "no"}};
    responder.send(std::move(response));
  });
  handlers.admit = [](const Request&) {
    Admission admission;
    admission.max_body_bytes = 1'000'000;
    return admission;
  };
  Running server(std::move(handlers), options);
  Peer peer(server);
  for (const std::size_t size : {0U, 1U, 1000U, 1001U, 700'000U}) {
    const std::string body(size, 'b');
    peer.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + body);
    const std::string head = peer.hear("\r\n\r\n");
    EXPECT_NE(head.find(size > 1000 ? "x-mapped: yes" : "x-mapped: no"), std::string::npos) << size << head;
    if (size > 0) EXPECT_EQ(peer.hear(body), body) << size;
  }
  peer.say("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
  EXPECT_TRUE(peer.hear("abcdefg").ends_with("\r\n\r\nabcdefg"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Session, AnAnswerThatIsDroppedIsA500AndSecondAnswersAreIgnored) {
  Running server(answering([](const Request& request, const Responder& responder) {
    if (request.path == "/drop") return;
    responder.send(Response::text(200, "first"));
    responder.send(Response::text(201, "second"));
  }));
  Peer peer(server);
  peer.say(get("/drop"));
  EXPECT_TRUE(peer.hear("dropped\n").starts_with("HTTP/1.1 500 "));
  peer.say(get("/twice") + get("/twice"));
  EXPECT_TRUE(peer.hear("first").starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(peer.hear("first").starts_with("HTTP/1.1 200 "));
}

TEST(Session, TheServerMayGoBeforeAnAnswerIsSent) {
  std::promise<Responder> asked;
  auto late = asked.get_future();
  Options options;
  options.stop_grace = Millis(0);
  auto server = std::make_unique<Running>(
      answering([&asked](const Request&, Responder responder) { asked.set_value(std::move(responder)); }), options);
  Peer waiting(*server);
  waiting.say(get("/"));
  Responder responder = late.get();
  Peer silent(*server);
  Peer half(*server);
  half.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this");
  server->stop();
  EXPECT_EQ(waiting.hear_all(), "");
  EXPECT_EQ(silent.hear_all(), "");
  EXPECT_EQ(half.hear_all(), "");
  server.reset();
  responder.send(Response::text(200, "too late"));
}

constexpr const char* kUpgrade =
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n";
/// A close frame with code 1000, masked with zeroes.
const std::string kCloseAnswer("\x88\x82\0\0\0\0\x03\xE8", 8);

TEST(Session, WebSocketsTakeMessagesFromManyThreadsAndOutliveTheServer) {
  std::promise<std::shared_ptr<WebSocket>> opened;
  auto open = opened.get_future();
  std::promise<void> closed;
  Handlers handlers = answering([](const Request&, const Responder&) {});
  WebSocketHandlers socket_handlers;
  socket_handlers.open = [&opened](const std::shared_ptr<WebSocket>& socket) { opened.set_value(socket); };
  socket_handlers.message = [](const std::shared_ptr<WebSocket>&, std::string_view, bool) {};
  socket_handlers.close = [&closed](const std::shared_ptr<WebSocket>&) { closed.set_value(); };
  handlers.websocket = std::move(socket_handlers);
  auto server = std::make_unique<Running>(std::move(handlers));
  auto client = std::make_unique<Peer>(*server);
  Peer& peer = *client;
  peer.say(kUpgrade);
  EXPECT_TRUE(peer.hear("\r\n\r\n").starts_with("HTTP/1.1 101 "));
  const auto socket = open.get();
  constexpr int kThreads = 4;
  constexpr int kEach = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([socket] {
      for (int i = 0; i < kEach; ++i) socket->send_text("m");
    });
  }
  for (std::thread& thread : threads) thread.join();
  // RFC 6455 section 5.2: a final text frame of one byte, as a server sends it.
  for (int i = 0; i < kThreads * kEach; ++i) EXPECT_EQ(peer.hear("m"), "\x81\x01m");
  socket->close(1000, "enough");
  EXPECT_EQ(peer.hear("enough"),
            "\x88\x08\x03\xE8"
            "enough");
  peer.say(kCloseAnswer);
  EXPECT_EQ(peer.hear_all(), "");
  // RFC 6455 section 7.1.1: the server's side is closed first, and then it waits for the client's.
  client.reset();
  closed.get_future().wait();
  server.reset();
  socket->send_text("too late");
  socket->close(1000, "");
}

TEST(Session, AnOpenWebSocketIsToldThatTheServerStops) {
  std::promise<void> opened;
  std::promise<void> closed;
  Handlers handlers = answering([](const Request&, const Responder&) {});
  WebSocketHandlers socket_handlers;
  socket_handlers.open = [&opened](const std::shared_ptr<WebSocket>&) { opened.set_value(); };
  socket_handlers.close = [&closed](const std::shared_ptr<WebSocket>&) { closed.set_value(); };
  handlers.websocket = std::move(socket_handlers);
  Running server(std::move(handlers));
  auto peer = std::make_unique<Peer>(server);
  peer->say(kUpgrade);
  EXPECT_TRUE(peer->hear("\r\n\r\n").starts_with("HTTP/1.1 101 "));
  opened.get_future().wait();
  server.ask_to_stop();
  // 1001, going away.
  EXPECT_EQ(peer->hear("server stops"), "\x88\x0E\x03\xE9server stops");
  peer->say(kCloseAnswer);
  peer.reset();
  server.stop();
  closed.get_future().wait();
}

}  // namespace
}  // namespace tml::httpd
