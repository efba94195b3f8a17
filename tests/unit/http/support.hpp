// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One request, or one WebSocket, on a loop of its own.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "common/http/client.hpp"
#include "common/http/websocket.hpp"

namespace tml::http::test {

inline Request get(const std::string& url) {
  Request request;
  request.url = url;
  return request;
}

inline Result<Response> send(Client& client, Request request) {
  boost::asio::io_context context;
  Result<Response> out = fail(Errc::failed, "no answer");
  auto task = [](Client& through, Request what, Result<Response>& into) -> boost::asio::awaitable<void> {
    into = co_await through.send(std::move(what));
  };
  boost::asio::co_spawn(context, task(client, std::move(request), out),
                        [](const std::exception_ptr& problem) { EXPECT_FALSE(problem); });
  context.run();
  return out;
}

using Body = std::function<boost::asio::awaitable<void>(WebSocket&)>;

/// Runs `body` with a connection; the error when there is none.
inline std::optional<Error> with_socket(WebSocketOptions options, Body body) {
  boost::asio::io_context context;
  std::optional<Error> error;
  auto task = [](WebSocketOptions what, Body then, std::optional<Error>& out) -> boost::asio::awaitable<void> {
    auto socket = co_await WebSocket::connect(std::move(what));
    if (!socket) {
      out = socket.error();
      co_return;
    }
    if (then) co_await then(**socket);
  };
  boost::asio::co_spawn(context, task(std::move(options), std::move(body), error),
                        [](const std::exception_ptr& problem) { EXPECT_FALSE(problem); });
  context.run();
  return error;
}

}  // namespace tml::http::test
