// SPDX-License-Identifier: Apache-2.0
// Both clients over TLS and through proxies, against the project's own server with a certificate from a CA made here.
#include <gtest/gtest.h>

#include <thread>

#include "common/httpd/server.hpp"
#include "tests/support/connect_proxy.hpp"
#include "tests/support/http_stub.hpp"
#include "tests/support/scoped_env.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/tls_files.hpp"
#include "tests/unit/http/support.hpp"

namespace tml::http {
namespace {

namespace asio = boost::asio;
using test::get;
using test::send;
using test::with_socket;
using tml::test::ConnectProxy;
using tml::test::TlsFiles;

/// Says hello to requests and sends WebSocket messages back.
class HelloServer {
 public:
  explicit HelloServer(std::optional<httpd::TlsFiles> tls) : server_(httpd::Server::create({})) {
    httpd::Listen listen;
    listen.tls = std::move(tls);
    listen.handlers.request = [](const httpd::Request& request, const httpd::Responder& responder) {
      responder.send(httpd::Response::text(200, request.tls ? "hello over TLS" : "hello"));
    };
    httpd::WebSocketHandlers echo;
    echo.open = [](const std::shared_ptr<httpd::WebSocket>&) {};
    echo.message = [](const std::shared_ptr<httpd::WebSocket>& socket, std::string_view message, bool binary) {
      binary ? socket->send_binary(std::string(message)) : socket->send_text(std::string(message));
    };
    echo.close = [](const std::shared_ptr<httpd::WebSocket>&) {};
    listen.handlers.websocket = std::move(echo);
    const auto bound = server_->listen(std::move(listen));
    EXPECT_TRUE(bound) << (bound ? "" : bound.error().message());
    port_ = bound.value_or(0);
    thread_ = std::thread([this] { server_->run(); });
  }
  ~HelloServer() {
    server_->stop();
    thread_.join();
  }
  HelloServer(const HelloServer&) = delete;
  HelloServer& operator=(const HelloServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(const std::string& scheme, const std::string& host) const {
    return scheme + "://" + host + ":" + std::to_string(port_) + "/";
  }

 private:
  std::unique_ptr<httpd::Server> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

asio::awaitable<void> expect_echo(WebSocket& socket) {
  const std::string sent(100'000, 'e');
  Message message{true, sent};
  EXPECT_TRUE(co_await socket.write(std::move(message)));
  const auto back = co_await socket.read();
  EXPECT_TRUE(back) << back.error().message();
  if (back) EXPECT_TRUE(back->binary && back->data == sent);
  co_await socket.close();
}

class TlsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<tml::test::TempDir>();
    std::string problem;
    // 0.0.0.0 is this machine too, and no loopback name: the one address here that proxies are asked for.
    ASSERT_TRUE(
        TlsFiles::make(*folder_ / "ours", "TML test CA", "DNS:server.example,IP:127.0.0.1,IP:0.0.0.0", ours_, problem))
        << problem;
    ASSERT_TRUE(TlsFiles::make(*folder_ / "theirs", "another CA", "DNS:server.example", theirs_, problem)) << problem;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  TlsTest() {
    for (const char* name : {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
                             "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"}) {
      env_.unset(name);
    }
  }

  static httpd::TlsFiles served() { return {ours_.certificate, ours_.key}; }

  static Result<Response> fetch(const std::string& url, const std::string& ca_file) {
    ClientOptions options;
    options.ca_file = ca_file;
    Client client(options);
    return send(client, get(url));
  }
  static std::optional<Error> talk(const std::string& url, const std::string& ca_file) {
    WebSocketOptions options;
    options.url = url;
    options.ca_file = ca_file;
    return with_socket(options, expect_echo);
  }
  static void expect_hello(const Result<Response>& response) {
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "hello over TLS");
  }
  static void expect_refused_certificate(const std::optional<Error>& error, std::string_view hint) {
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code, Errc::network);
    EXPECT_NE(error->message().find("certificate"), std::string::npos) << error->message();
    EXPECT_NE(error->hint.find(hint), std::string::npos) << error->message();
  }
  static std::optional<Error> error_of(const Result<Response>& response) {
    return response ? std::nullopt : std::optional<Error>(response.error());
  }

  static std::unique_ptr<tml::test::TempDir> folder_;
  static TlsFiles ours_;
  static TlsFiles theirs_;
  tml::test::ScopedEnv env_;
};

std::unique_ptr<tml::test::TempDir> TlsTest::folder_;
TlsFiles TlsTest::ours_;
TlsFiles TlsTest::theirs_;

constexpr std::string_view kNameOwnCa = "SSL_CERT_FILE";
constexpr std::string_view kUseItsName = "another name";

TEST_F(TlsTest, AServerOfAKnownCaIsTrusted) {
  const HelloServer server(served());
  expect_hello(fetch(server.url("https", "127.0.0.1"), ours_.ca));
  const auto error = talk(server.url("wss", "127.0.0.1"), ours_.ca);
  EXPECT_FALSE(error) << error->message();
}

TEST_F(TlsTest, SslCertFileNamesTheCa) {
  env_.set("SSL_CERT_FILE", ours_.ca);
  const HelloServer server(served());
  expect_hello(fetch(server.url("https", "127.0.0.1"), ""));
  const auto error = talk(server.url("wss", "127.0.0.1"), "");
  EXPECT_FALSE(error) << error->message();
}

TEST_F(TlsTest, AnUnknownCaIsRefused) {
  const HelloServer server(served());
  for (const std::string& ca_file : {std::string(), theirs_.ca}) {
    expect_refused_certificate(error_of(fetch(server.url("https", "127.0.0.1"), ca_file)), kNameOwnCa);
    expect_refused_certificate(talk(server.url("wss", "127.0.0.1"), ca_file), kNameOwnCa);
  }
}

TEST_F(TlsTest, ACertificateForAnotherHostIsRefused) {
  const HelloServer server(served());
  expect_refused_certificate(error_of(fetch(server.url("https", "localhost"), ours_.ca)), kUseItsName);
  expect_refused_certificate(talk(server.url("wss", "localhost"), ours_.ca), kUseItsName);
  const ConnectProxy proxy(server.port());
  env_.set("HTTPS_PROXY", "http://" + proxy.authority());
  for (const char* host : {"192.0.2.1", "other.example"}) {
    expect_refused_certificate(error_of(fetch(server.url("https", host), ours_.ca)), kUseItsName);
    expect_refused_certificate(talk(server.url("wss", host), ours_.ca), kUseItsName);
  }
}

TEST_F(TlsTest, AnUnreadableCaFileIsAUsageError) {
  const HelloServer server(served());
  const std::string missing = *folder_ / "missing.pem";
  const auto response = fetch(server.url("https", "127.0.0.1"), missing);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::usage) << response.error().message();
  const auto error = talk(server.url("wss", "127.0.0.1"), missing);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::usage) << error->message();
}

TEST_F(TlsTest, APlainServerIsANetworkErrorOverTls) {
  const HelloServer server(std::nullopt);
  const auto response = fetch(server.url("https", "127.0.0.1"), ours_.ca);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::network) << response.error().message();
  const auto error = talk(server.url("wss", "127.0.0.1"), ours_.ca);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::network) << error->message();
  EXPECT_EQ(error->message().find("certificate"), std::string::npos) << error->message();
}

TEST_F(TlsTest, HttpsGoesThroughTheProxyWithItsPassword) {
  const HelloServer server(served());
  const ConnectProxy proxy(server.port());
  env_.set("HTTPS_PROXY", "http://user:p%40ss@" + proxy.authority());
  expect_hello(fetch(server.url("https", "server.example"), ours_.ca));
  const auto error = talk(server.url("wss", "server.example"), ours_.ca);
  EXPECT_FALSE(error) << error->message();
  const auto requests = proxy.requests();
  ASSERT_EQ(requests.size(), 2U);
  for (const std::string& head : requests) {
    EXPECT_TRUE(head.starts_with("CONNECT server.example:" + std::to_string(server.port()) + " HTTP/1.1\r\n")) << head;
    // base64("user:p@ss")
    EXPECT_NE(head.find("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"), std::string::npos) << head;
  }
}

TEST_F(TlsTest, NoProxyGoesStraight) {
  const HelloServer server(served());
  const ConnectProxy proxy(server.port());
  env_.set("HTTPS_PROXY", "http://" + proxy.authority());
  expect_hello(fetch(server.url("https", "0.0.0.0"), ours_.ca));
  EXPECT_FALSE(talk(server.url("wss", "0.0.0.0"), ours_.ca));
  EXPECT_EQ(proxy.requests().size(), 2U);
  env_.set("NO_PROXY", "elsewhere.example,0.0.0.0");
  expect_hello(fetch(server.url("https", "0.0.0.0"), ours_.ca));
  EXPECT_FALSE(talk(server.url("wss", "0.0.0.0"), ours_.ca));
  EXPECT_EQ(proxy.requests().size(), 2U);
}

TEST_F(TlsTest, AProxyThatRefusesIsNamedWithoutItsPassword) {
  const ConnectProxy proxy(1, "407 Proxy Authentication Required");
  env_.set("HTTPS_PROXY", "http://user:secret@" + proxy.authority());
  const auto response = fetch("https://server.example/", ours_.ca);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, Errc::network);
  EXPECT_NE(response.error().message().find("407"), std::string::npos) << response.error().message();
  EXPECT_EQ(response.error().message().find("secret"), std::string::npos);
  const auto error = talk("wss://server.example/", ours_.ca);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, Errc::refused);
  EXPECT_NE(error->message().find("407"), std::string::npos) << error->message();
  EXPECT_NE(error->message().find(proxy.authority()), std::string::npos) << error->message();
  EXPECT_EQ(error->message().find("secret"), std::string::npos);
}

TEST_F(TlsTest, PlainHttpAndWebSocketsThroughTheirProxy) {
  {
    // For http:// the proxy is asked for the whole address (RFC 9112 section 3.2.2).
    std::string target;
    const tml::test::HttpStub proxy([&target](const tml::test::StubRequest& request) {
      target = request.target;
      return tml::test::StubAnswer{};
    });
    env_.set("HTTP_PROXY", proxy.url());
    const auto response = fetch("http://server.example:81/path", "");
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(target, "http://server.example:81/path");
  }
  const HelloServer server(std::nullopt);
  const ConnectProxy proxy(server.port());
  env_.set("HTTP_PROXY", "http://" + proxy.authority());
  const auto error = talk("ws://[2001:db8::1]:81/", "");
  EXPECT_FALSE(error) << error->message();
  ASSERT_EQ(proxy.requests().size(), 1U);
  EXPECT_TRUE(proxy.requests().front().starts_with("CONNECT [2001:db8::1]:81 HTTP/1.1\r\nHost: [2001:db8::1]:81\r\n"));
}

}  // namespace
}  // namespace tml::http
