// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The server on Unix sockets: the same sessions, whose socket it is, and what happens to sockets of the dead.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "common/httpd/server.hpp"
#include "common/httpd/socket_file.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::httpd {
namespace {

namespace asio = boost::asio;
using local = asio::local::stream_protocol;
namespace fs = std::filesystem;

Listen listen_on(const fs::path& path) {
  Listen listen;
  listen.unix_path = path;
  listen.handlers.request = [](const Request& request, const Responder& responder) {
    std::string text = request.remote + " " + std::string(request.body_view());
    if (request.peer) text += " " + std::to_string(request.peer->uid) + " " + std::to_string(request.peer->pid);
    responder.send(Response::text(200, text));
  };
  return listen;
}

class Running {
 public:
  explicit Running(const fs::path& path) : server_(Server::create({})) {
    const auto bound = server_->listen(listen_on(path));
    EXPECT_TRUE(bound) << (bound ? "" : bound.error().message());
    thread_ = std::thread([this] { server_->run(); });
  }
  ~Running() {
    server_->stop();
    thread_.join();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

std::string ask(const fs::path& path, const std::string& text) {
  asio::io_context io;
  local::socket socket(io);
  socket.connect(local::endpoint(path.string()));
  asio::write(socket, asio::buffer(text));
  std::string answer;
  boost::system::error_code ignored;
  asio::read(socket, asio::dynamic_buffer(answer), ignored);
  return answer;
}

TEST(UnixSocket, AnswersAndNamesThePeer) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "s";
  {
    const Running server(path);
    struct stat facts {};
    ASSERT_EQ(::stat(path.c_str(), &facts), 0);
    EXPECT_TRUE(S_ISSOCK(facts.st_mode));
    EXPECT_EQ(facts.st_mode & 0777U, 0600U);
    const std::string answer =
        ask(path, "POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    EXPECT_TRUE(answer.ends_with("unix body " + std::to_string(::geteuid()) + " " + std::to_string(::getpid())))
        << answer;
  }
  EXPECT_FALSE(fs::exists(path)) << "the socket stays behind its server";
}

TEST(UnixSocket, ALiveOneIsBusyAndKeepsServing) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "s";
  const Running server(path);
  const auto second = Server::create({});
  const auto bound = second->listen(listen_on(path));
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, Errc::busy);
  EXPECT_TRUE(ask(path, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST(UnixSocket, OneThatADeadServerLeftIsReplaced) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "s";
  {
    // As after SIGKILL: the file is there, nobody listens.
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::close(fd);
  }
  ASSERT_TRUE(fs::exists(path));
  const Running server(path);
  EXPECT_TRUE(ask(path, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST(UnixSocket, AServerWithoutOurLockIsBusyToo) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "s";
  asio::io_context io;
  const local::acceptor foreign(io, local::endpoint(path.string()));
  const auto bound = Server::create({})->listen(listen_on(path));
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, Errc::busy);
  EXPECT_TRUE(fs::exists(path));
}

TEST(UnixSocket, AnotherFileIsLeftAlone) {
  const test::TempDir dir;
  const fs::path path = dir.path() / "s";
  std::ofstream(path) << "precious";
  const auto bound = Server::create({})->listen(listen_on(path));
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, Errc::usage);
  EXPECT_EQ(fs::file_size(path), 8U);
  const auto longer = Server::create({})->listen(listen_on(dir.path() / std::string(120, 'x')));
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, Errc::usage);
}

}  // namespace
}  // namespace tml::httpd
