// SPDX-License-Identifier: Apache-2.0
#include "tests/support/http_stub.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <cctype>
#include <list>
#include <mutex>
#include <sstream>
#include <thread>

namespace tml::test {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

struct HttpStub::Impl {
  explicit Impl(Handler given)
      : handler(std::move(given)), acceptor(context, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)) {
    thread = std::thread([this] { accept_all(); });
  }

  void accept_all() {
    while (true) {
      auto socket = std::make_shared<tcp::socket>(context);
      boost::system::error_code code;
      acceptor.accept(*socket, code);
      if (code) return;
      const std::lock_guard lock(mutex);
      if (stopping) return;
      const auto number = static_cast<std::uint16_t>(++connections);
      sockets.push_back(socket);
      threads.emplace_back([this, socket, number] { serve(*socket, number); });
    }
  }

  void serve(tcp::socket& socket, std::uint16_t number) {
    std::string buffer;
    while (true) {
      boost::system::error_code code;
      const std::size_t head = asio::read_until(socket, asio::dynamic_buffer(buffer), "\r\n\r\n", code);
      if (code) return;
      StubRequest request;
      request.connection = number;
      std::istringstream lines(buffer.substr(0, head));
      buffer.erase(0, head);
      lines >> request.method >> request.target;
      std::string line;
      std::getline(lines, line);
      while (std::getline(lines, line) && line != "\r") {
        const std::size_t colon = line.find(':');
        std::string name = line.substr(0, colon);
        std::transform(name.begin(), name.end(), name.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        std::string value = line.substr(std::min(line.size(), colon + 2));
        while (!value.empty() && (value.back() == '\r' || value.back() == ' ')) value.pop_back();
        request.headers[name] = value;
      }
      const auto length = request.headers.find("content-length");
      const std::size_t size = length == request.headers.end() ? 0 : std::stoul(length->second);
      if (buffer.size() < size) {
        asio::read(socket, asio::dynamic_buffer(buffer), asio::transfer_exactly(size - buffer.size()), code);
        if (code) return;
      }
      request.body = buffer.substr(0, size);
      buffer.erase(0, size);
      StubAnswer answer;
      {
        const std::lock_guard lock(handler_mutex);
        answer = handler(request);
      }
      if (answer.cut == StubAnswer::Cut::before) break;
      std::string text = "HTTP/1.1 " + std::to_string(answer.status) +
                         " Text\r\nContent-Length: " + std::to_string(answer.body.size()) + "\r\n";
      for (const auto& [name, value] : answer.headers) text += name + ": " + value + "\r\n";
      text += "\r\n" + answer.body;
      if (answer.cut == StubAnswer::Cut::middle) text.resize(text.size() - (answer.body.size() + 1) / 2);
      asio::write(socket, asio::buffer(text), code);
      if (code || answer.cut == StubAnswer::Cut::middle) break;
    }
    boost::system::error_code ignored;
    const std::lock_guard lock(mutex);
    socket.shutdown(tcp::socket::shutdown_both, ignored);
    socket.close(ignored);
  }

  Handler handler;
  asio::io_context context;
  tcp::acceptor acceptor;
  std::mutex mutex;
  std::mutex handler_mutex;
  bool stopping = false;
  unsigned connections = 0;
  std::list<std::shared_ptr<tcp::socket>> sockets;
  std::list<std::thread> threads;
  std::thread thread;
};

HttpStub::HttpStub(Handler handler) : impl_(std::make_unique<Impl>(std::move(handler))) {}

HttpStub::~HttpStub() {
  boost::system::error_code ignored;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    for (const auto& socket : impl_->sockets) socket->shutdown(tcp::socket::shutdown_both, ignored);
  }
  // A blocking accept ends on a connection, not on a close from another thread.
  tcp::socket knock(impl_->context);
  knock.connect(tcp::endpoint(asio::ip::make_address("127.0.0.1"), port()), ignored);
  impl_->thread.join();
  for (std::thread& thread : impl_->threads) thread.join();
}

std::uint16_t HttpStub::port() const { return impl_->acceptor.local_endpoint().port(); }

}  // namespace tml::test
