// SPDX-License-Identifier: Apache-2.0
#include "common/http/client.hpp"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <future>

#include "tests/support/http_stub.hpp"
#include "tests/unit/http/support.hpp"

namespace tml::http {
namespace {

namespace asio = boost::asio;
using test::get;
using test::send;
using tml::test::HttpStub;
using tml::test::StubAnswer;
using tml::test::StubRequest;

TEST(Client, SendsAndReadsAndKeepsTheConnection) {
  std::vector<StubRequest> seen;
  HttpStub server([&seen](const StubRequest& request) {
    seen.push_back(request);
    StubAnswer answer;
    answer.status = 201;
    answer.body = "echo " + request.body;
    answer.headers["X-Thing"] = "value";
    return answer;
  });
  Client client;
  for (int i = 0; i < 3; ++i) {
    Request request = get(server.url() + "/path?q=1");
    request.method = "POST";
    request.body = "body";
    request.headers = {{"x-a", "b"}, {"x-empty", ""}};
    const auto response = send(client, request);
    ASSERT_TRUE(response) << response.error().message();
    EXPECT_EQ(response->status, 201);
    EXPECT_EQ(response->body, "echo body");
    EXPECT_EQ(response->header("x-thing"), "value");
  }
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[2].connection, seen[0].connection);
  EXPECT_EQ(seen[0].target, "/path?q=1");
  EXPECT_EQ(seen[0].headers.at("x-a"), "b");
  EXPECT_EQ(seen[0].headers.at("x-empty"), "");
  EXPECT_FALSE(seen[0].headers.contains("content-type"));
}

TEST(Client, StreamsABody) {
  std::string got;
  HttpStub server([&got](const StubRequest& request) {
    got = request.body;
    return StubAnswer{};
  });
  const std::string body(3'000'000, 'x');
  auto left = std::make_shared<std::string_view>(body);
  Request request = get(server.url());
  request.method = "PUT";
  request.source = BodySource{body.size(),
                              [left](char* out, std::size_t capacity) {
                                const std::size_t size = std::min(capacity, left->size());
                                std::memcpy(out, left->data(), size);
                                left->remove_prefix(size);
                                return size;
                              },
                              [left, &body] {
                                *left = body;
                                return true;
                              }};
  Client client;
  const auto response = send(client, std::move(request));
  ASSERT_TRUE(response) << response.error().message();
  EXPECT_EQ(got, body);
}

TEST(Client, TypedErrors) {
  HttpStub server([](const StubRequest& request) {
    StubAnswer answer;
    if (request.target == "/cut") answer.cut = StubAnswer::Cut::middle;
    answer.body = std::string(2000, 'x');
    return answer;
  });
  Client client;
  EXPECT_EQ(send(client, get(server.url() + "/cut")).error().code, Errc::network);
  Request bounded = get(server.url());
  bounded.max_response_bytes = 1000;
  EXPECT_EQ(send(client, bounded).error().code, Errc::limit);
  EXPECT_EQ(send(client, get("ftp://127.0.0.1/")).error().code, Errc::usage);
  EXPECT_EQ(send(client, get("nonsense")).error().code, Errc::usage);
  Request injected = get(server.url());
  injected.headers = {{"x-a", "b\r\nx-evil: 1"}};
  EXPECT_EQ(send(client, injected).error().code, Errc::usage);
  std::string closed;
  {
    const HttpStub gone([](const StubRequest&) { return StubAnswer{}; });
    closed = gone.url();
  }
  EXPECT_EQ(send(client, get(closed)).error().code, Errc::network);
}

TEST(Client, TimesOutAndCanBeCancelled) {
  std::promise<void> release;
  auto released = release.get_future().share();
  HttpStub server([released](const StubRequest&) {
    released.wait();
    return StubAnswer{};
  });
  Client client;
  Request slow = get(server.url());
  slow.total_timeout = Millis(50);
  EXPECT_EQ(send(client, slow).error().code, Errc::timeout);

  asio::io_context context;
  asio::cancellation_signal signal;
  std::optional<Errc> code;
  auto task = [](Client& through, Request what, std::optional<Errc>& out) -> asio::awaitable<void> {
    const auto answer = co_await through.send(std::move(what));
    if (!answer) out = answer.error().code;
  };
  asio::co_spawn(context, task(client, get(server.url()), code),
                 asio::bind_cancellation_slot(signal.slot(), [](const std::exception_ptr&) {}));
  asio::post(context, [&signal] { signal.emit(asio::cancellation_type::terminal); });
  context.run();
  EXPECT_EQ(code, Errc::interrupted);
  release.set_value();
}

}  // namespace
}  // namespace tml::http
