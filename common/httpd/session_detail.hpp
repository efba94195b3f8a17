// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Shared by the two units of this library that see Asio and Beast; not for anyone else.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>

#include "common/httpd/core.hpp"

namespace tml::httpd::detail {

namespace beast = boost::beast;
using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;
using LocalStream = beast::basic_stream<asio::local::stream_protocol>;
using Upgrade = beast::http::request<beast::http::empty_body>;

/// Takes over a connection whose upgrade request was read. Returns when it has ended.
asio::awaitable<void> run_websocket(PlainStream stream, Upgrade request, Core& core, const WebSocketHandlers& handlers,
                                    std::string remote, std::shared_ptr<Connection> connection);
asio::awaitable<void> run_websocket(TlsStream stream, Upgrade request, Core& core, const WebSocketHandlers& handlers,
                                    std::string remote, std::shared_ptr<Connection> connection);
asio::awaitable<void> run_websocket(LocalStream stream, Upgrade request, Core& core, const WebSocketHandlers& handlers,
                                    std::string remote, std::shared_ptr<Connection> connection);

}  // namespace tml::httpd::detail
