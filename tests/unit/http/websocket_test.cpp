// SPDX-License-Identifier: Apache-2.0
// The client against a peer written by hand from RFC 6455, so that both ends do not share one implementation's errors.
#include "common/http/websocket.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <thread>

#include "tests/unit/http/support.hpp"

namespace tml::http {
namespace {

namespace asio = boost::asio;
using test::with_socket;
using tcp = asio::ip::tcp;

std::string accept_key(const std::string& key) {
  // RFC 6455 section 1.3.
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, 20> digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha1(), nullptr);
  std::array<unsigned char, 32> base64{};
  EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(digest.size()));
  return reinterpret_cast<const char*>(base64.data());
}

struct Frame {
  unsigned opcode = 0;
  std::string data;
};

/// One connection, served on a thread of its own by `script`.
class Peer {
 public:
  explicit Peer(std::function<void(Peer&)> script)
      : acceptor_(context_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)), socket_(context_) {
    url = "ws://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/";
    thread_ = std::thread([this, script = std::move(script)] {
      acceptor_.accept(socket_);
      script(*this);
      boost::system::error_code ignored;
      socket_.shutdown(tcp::socket::shutdown_both, ignored);
      socket_.close(ignored);
    });
  }
  ~Peer() { thread_.join(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void upgrade() {
    const std::size_t size = asio::read_until(socket_, asio::dynamic_buffer(buffer_), "\r\n\r\n");
    const std::string head = buffer_.substr(0, size);
    buffer_.erase(0, size);
    const std::size_t at = head.find("Sec-WebSocket-Key: ") + 19;
    raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
        accept_key(head.substr(at, head.find('\r', at) - at)) + "\r\n\r\n");
  }
  void raw(const std::string& text) {
    boost::system::error_code ignored;
    asio::write(socket_, asio::buffer(text), ignored);
  }
  void frame(unsigned opcode, const std::string& data) {
    std::string head(1, static_cast<char>(0x80U | opcode));
    if (data.size() < 126) {
      head += static_cast<char>(data.size());
    } else {
      head += '\x7E';
      head += static_cast<char>(data.size() >> 8U);
      head += static_cast<char>(data.size() & 0xFFU);
    }
    raw(head + data);
  }
  bool take(std::size_t size, std::string& out) {
    boost::system::error_code code;
    while (buffer_.size() < size && !code)
      asio::read(socket_, asio::dynamic_buffer(buffer_), asio::transfer_at_least(1), code);
    if (buffer_.size() < size) return false;
    out = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return true;
  }
  std::optional<Frame> read() {
    std::string head;
    if (!take(2, head)) return std::nullopt;
    Frame frame{static_cast<unsigned>(head[0]) & 15U, {}};
    std::size_t size = static_cast<unsigned>(head[1]) & 127U;
    std::string more;
    if (size == 126) {
      if (!take(2, more)) return std::nullopt;
      size = static_cast<std::size_t>(static_cast<unsigned char>(more[0])) * 256 + static_cast<unsigned char>(more[1]);
    }
    std::string mask;
    if (!take(4, mask) || !take(size, frame.data)) return std::nullopt;
    for (std::size_t i = 0; i < frame.data.size(); ++i) frame.data[i] = static_cast<char>(frame.data[i] ^ mask[i % 4]);
    return frame;
  }

  std::string url;

 private:
  asio::io_context context_;
  tcp::acceptor acceptor_;
  tcp::socket socket_;
  std::string buffer_;
  std::thread thread_;
};

WebSocketOptions options_for(const Peer& peer) {
  WebSocketOptions options;
  options.url = peer.url;
  return options;
}

asio::awaitable<void> talk(WebSocket& socket) {
  Message text{false, "hello"};
  EXPECT_TRUE(co_await socket.write(std::move(text)));
  Message binary{true, std::string("\x00\x01", 2)};
  EXPECT_TRUE(co_await socket.write(std::move(binary)));
  const auto first = co_await socket.read();
  EXPECT_TRUE(first && !first->binary && first->data == "hi");
  const auto second = co_await socket.read();
  EXPECT_TRUE(second && second->binary && second->data == std::string(1000, 'b'));
  const auto closed = co_await socket.read();
  EXPECT_FALSE(closed);
  if (!closed) EXPECT_NE(closed.error().message().find("4001 gone"), std::string::npos) << closed.error().message();
}

TEST(WebSocketClient, TextBinaryPingAndClose) {
  std::vector<Frame> got;
  {
    Peer peer([&got](Peer& self) {
      self.upgrade();
      for (int i = 0; i < 2; ++i) got.push_back(self.read().value_or(Frame{}));
      self.frame(9, "are you there");
      got.push_back(self.read().value_or(Frame{}));
      self.frame(1, "hi");
      self.frame(2, std::string(1000, 'b'));
      self.frame(8, std::string("\x0F\xA1", 2) + "gone");
      got.push_back(self.read().value_or(Frame{}));
    });
    EXPECT_FALSE(with_socket(options_for(peer), talk));
  }
  ASSERT_EQ(got.size(), 4U);
  EXPECT_EQ(got[0].opcode, 1U);
  EXPECT_EQ(got[0].data, "hello");
  EXPECT_EQ(got[1].opcode, 2U);
  EXPECT_EQ(got[2].opcode, 10U);
  EXPECT_EQ(got[2].data, "are you there");
  EXPECT_EQ(got[3].opcode, 8U);
}

asio::awaitable<void> expect_timeout(WebSocket& socket) {
  const auto message = co_await socket.read();
  EXPECT_FALSE(message);
  if (!message) EXPECT_EQ(message.error().code, Errc::timeout) << message.error().message();
}

TEST(WebSocketClient, ASilentPeerIsDead) {
  Peer peer([](Peer& self) {
    self.upgrade();
    while (self.read()) {  // Never answers the ping.
    }
  });
  WebSocketOptions options = options_for(peer);
  options.ping_every = Millis(5);
  options.pong_within = Millis(30);
  EXPECT_FALSE(with_socket(options, expect_timeout));
}

asio::awaitable<void> expect_limit(WebSocket& socket) {
  const auto message = co_await socket.read();
  EXPECT_FALSE(message);
  if (!message) EXPECT_EQ(message.error().code, Errc::limit) << message.error().message();
}

TEST(WebSocketClient, MessagesAreBounded) {
  Peer peer([](Peer& self) {
    self.upgrade();
    self.frame(2, std::string(2000, 'x'));
    while (self.read()) {
    }
  });
  WebSocketOptions options = options_for(peer);
  options.max_message_bytes = 1000;
  EXPECT_FALSE(with_socket(options, expect_limit));
}

TEST(WebSocketClient, RefusalsAreTyped) {
  {
    Peer peer([](Peer& self) {
      std::string ignored;
      self.take(16, ignored);
      self.raw("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    });
    const auto error = with_socket(options_for(peer), {});
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Errc::refused) << error->message();
    EXPECT_NE(error->message().find("403"), std::string::npos);
  }
  {
    Peer peer([](Peer& self) {
      std::string all;
      self.take(1U << 20U, all);  // Accepts and says nothing until the client leaves.
    });
    WebSocketOptions options = options_for(peer);
    options.connect_timeout = Millis(50);
    const auto error = with_socket(options, {});
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Errc::timeout) << error->message();
  }
  WebSocketOptions options;
  options.url = "http://127.0.0.1/";
  EXPECT_EQ(with_socket(options, {})->code, Errc::usage);
  options.url = "ws://127.0.0.1:1/";
  EXPECT_EQ(with_socket(options, {})->code, Errc::network);
}

}  // namespace
}  // namespace tml::http
