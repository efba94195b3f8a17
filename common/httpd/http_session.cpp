// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

#include "common/httpd/body_sink.hpp"
#include "common/httpd/session_detail.hpp"
#include "common/httpd/socket_file.hpp"
#include "common/httpd/ticket.hpp"

namespace tml::httpd::detail {
namespace {
namespace http = beast::http;
using tcp = asio::ip::tcp;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kChunkBytes = 256 * 1024;
constexpr std::size_t kDrainBytes = 4 * 1024 * 1024;
using Parser = http::request_parser<http::buffer_body>;

asio::awaitable<int> spill_on_pool(BodySink& sink, const std::filesystem::path& folder, std::string_view chunk) {
  co_return spill(sink, folder, chunk);
}

enum class BodyResult { ok, too_large, disk_full, broken };

/// The other end of a connection.
struct Far {
  std::string name;
  std::optional<PeerProcess> peer;
};

template <class Stream>
class Session {
 public:
  Session(Stream stream, Core& core, const Listen& listen, Far far, std::shared_ptr<Connection> connection)
      : stream_(std::move(stream)),
        core_(core),
        listen_(listen),
        far_(std::move(far)),
        connection_(std::move(connection)),
        buffer_(core.options.max_header_bytes + kChunkBytes) {
    connection_->close_now = [this]() { lowest().close(); };
    buffer_.reserve(8 * 1024);
  }

  asio::awaitable<void> run() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      lowest().expires_after(core_.options.body_timeout);
      const auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kAwait);
      if (error) co_return;
    }
    bool more = true;
    while (more) more = co_await one_request();
    if (upgrade_) {
      Upgrade request = std::move(*upgrade_);
      co_await run_websocket(std::move(stream_), std::move(request), core_, *listen_.handlers.websocket, far_.name,
                             connection_);
      co_return;
    }
    connection_->close_now = nullptr;
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      lowest().expires_after(std::chrono::seconds(2));
      co_await stream_.async_shutdown(kAwait);
    }
    lowest().close();
  }

 private:
  auto& lowest() { return beast::get_lowest_layer(stream_); }

  asio::awaitable<bool> one_request() {
    connection_->idle = true;
    if (core_.stopping) co_return false;
    if (buffer_.size() == 0) {
      lowest().expires_after(core_.options.idle_timeout);
      const auto space = buffer_.prepare(8 * 1024);
      const auto [error, bytes] = co_await stream_.async_read_some(space, kAwait);
      if (error) co_return false;
      buffer_.commit(bytes);
    }
    connection_->idle = false;
    started_ = std::chrono::steady_clock::now();
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(core_.options.max_header_bytes));
    parser.body_limit(boost::none);
    lowest().expires_after(core_.options.header_timeout);
    const auto [header_error, header_bytes] = co_await http::async_read_header(stream_, buffer_, parser, kAwait);
    if (header_error) {
      if (header_error == http::error::end_of_stream || header_error == asio::error::operation_aborted) co_return false;
      Request nothing;
      nothing.id = next_id();
      nothing.remote = far_.name;
      Response response = Response::text(400, "not an HTTP request that this server understands\n");
      if (header_error == http::error::header_limit) response = Response::text(431, "request header too large\n");
      if (header_error == beast::error::timeout) response = Response::text(408, "request header took too long\n");
      response.close = true;
      // Beast cuts the socket on a time-out; nothing can be said any more.
      if (header_error == beast::error::timeout || header_error.category() != http_category()) co_return false;
      co_await write(nothing, std::move(response), 11, false, 0);
      co_return false;
    }
    Request request = head_of(parser);
    if (beast::websocket::is_upgrade(parser.get())) co_return co_await begin_upgrade(parser, request);

    Admission admission;
    if (listen_.handlers.admit) admission = listen_.handlers.admit(request);
    const auto announced = parser.content_length();
    if (!admission.refusal && announced && *announced > admission.max_body_bytes) {
      admission.refusal = too_large(admission.max_body_bytes);
    }
    const unsigned version = parser.get().version();
    const bool keep_alive = parser.keep_alive();
    if (admission.refusal)
      co_return co_await refuse(parser, request, std::move(*admission.refusal), version, keep_alive);
    if (iequals(request.headers.get("expect"), "100-continue") && !parser.is_done()) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      const auto [error, bytes] = co_await asio::async_write(stream_, asio::buffer(kContinue), kAwait);
      if (error) co_return false;
    }
    BodySink sink;
    const BodyResult read = co_await read_body(parser, sink, admission.max_body_bytes);
    if (read == BodyResult::broken) co_return false;
    if (read == BodyResult::too_large) {
      co_return co_await refuse(parser, request, too_large(admission.max_body_bytes), version, keep_alive);
    }
    if (read == BodyResult::disk_full) {
      Response full = Response::text(507, "the server's disk has no room for this body\n");
      co_return co_await refuse(parser, request, std::move(full), version, keep_alive);
    }
    if (sink.file.valid()) {
      auto mapped = Body::map(sink.file.get(), sink.size_bytes);
      if (!mapped) {
        Response full = Response::text(507, mapped.error().message() + "\n");
        co_return co_await refuse(parser, request, std::move(full), version, keep_alive);
      }
      request.body = std::move(*mapped);
    } else {
      request.body = std::make_shared<const Body>(std::move(sink.memory));
    }
    auto slot = std::make_shared<Slot>();
    asio::steady_timer wake(core_.io, asio::steady_timer::time_point::max());
    slot->wake = &wake;
    const Request kept = copy_for_log(request);
    {
      Responder responder(std::make_shared<Ticket>(core_.mailbox, slot));
      lowest().expires_never();
      listen_.handlers.request(std::move(request), std::move(responder));
    }
    while (!slot->response) co_await wake.async_wait(kAwait);
    slot->wake = nullptr;
    Response response = std::move(*slot->response);
    co_return co_await write(kept, std::move(response), version, keep_alive, sink.size_bytes);
  }

  static const boost::system::error_category& http_category() {
    return make_error_code(http::error::bad_method).category();
  }

  Response too_large(std::size_t limit) const {
    return Response::text(413, "the body is larger than " + std::to_string(limit) + " bytes\n");
  }

  std::string next_id() { return core_.process_id + std::to_string(core_.next_request++); }

  // The body may be large and now belongs to the handler: what the log needs is copied without it.
  static Request copy_for_log(const Request& request) {
    Request copy;
    copy.id = request.id;
    copy.method = request.method;
    copy.path = request.path;
    copy.remote = request.remote;
    copy.tls = request.tls;
    return copy;
  }

  Request head_of(const Parser& parser) {
    const auto& head = parser.get();
    Request request;
    request.id = next_id();
    request.method = std::string(head.method_string());
    const std::string_view target(head.target().data(), head.target().size());
    const std::size_t question = target.find('?');
    request.path = std::string(target.substr(0, question));
    if (question != std::string_view::npos) request.query = std::string(target.substr(question + 1));
    request.remote = far_.name;
    request.peer = far_.peer;
    request.tls = std::is_same_v<Stream, TlsStream>;
    for (const auto& field : head) {
      request.headers.add(std::string(field.name_string()), std::string(field.value()));
    }
    return request;
  }

  asio::awaitable<bool> begin_upgrade(Parser& parser, const Request& request) {
    if (!listen_.handlers.websocket || core_.stopping) {
      Response response = Response::text(400, "no WebSocket here\n");
      response.close = true;
      co_return co_await write(request, std::move(response), 11, false, 0);
    }
    upgrade_.emplace();
    upgrade_->method(parser.get().method());
    upgrade_->target(parser.get().target());
    upgrade_->version(parser.get().version());
    for (const auto& field : parser.get()) upgrade_->insert(field.name_string(), field.value());
    co_return false;
  }

  asio::awaitable<BodyResult> read_body(Parser& parser, BodySink& sink, std::size_t limit) {
    const auto announced = parser.content_length();
    const std::size_t share =
        core_.options.all_memory_bodies_bytes / std::max<std::size_t>(1, core_.connections.size());
    const std::size_t memory_limit = std::min(core_.options.memory_body_bytes, std::max<std::size_t>(share, 16 * 1024));
    std::string chunk;
    while (!parser.is_done()) {
      const bool in_memory = !sink.file.valid();
      std::size_t want = kChunkBytes;
      if (announced) want = std::min<std::size_t>(kChunkBytes, static_cast<std::size_t>(*announced) - sink.size_bytes);
      // One byte beyond what is announced lets the parser see the end of a chunked body.
      want = std::max<std::size_t>(want, 1);
      chunk.resize(want);
      auto& body = parser.get().body();
      body.data = chunk.data();
      body.size = chunk.size();
      lowest().expires_after(core_.options.body_timeout);
      const auto [error, bytes] = co_await http::async_read(stream_, buffer_, parser, kAwait);
      if (error && error != http::error::need_buffer) co_return BodyResult::broken;
      chunk.resize(chunk.size() - parser.get().body().size);
      sink.size_bytes += chunk.size();
      if (sink.size_bytes > limit) co_return BodyResult::too_large;
      if (in_memory && sink.size_bytes <= memory_limit) {
        if (sink.memory.empty()) {
          sink.memory.swap(chunk);
          if (announced) {
            sink.memory.reserve(std::min(memory_limit, static_cast<std::size_t>(*announced)));
          }
        } else {
          sink.memory.append(chunk);
        }
        continue;
      }
      auto task = spill_on_pool(sink, core_.options.temp_dir, chunk);
      const int error_number = co_await asio::co_spawn(core_.file_pool, std::move(task), asio::use_awaitable);
      if (error_number != 0) co_return BodyResult::disk_full;
    }
    co_return BodyResult::ok;
  }

  // Answers before the body was read. A client that sees its connection reset while it still sends may lose the answer,
  // so the rest is read and thrown away, within bounds, before the connection closes.
  asio::awaitable<bool> refuse(Parser& parser, const Request& request, Response response, unsigned version,
                               bool keep_alive) {
    const auto announced = parser.content_length();
    const bool waits = iequals(request.headers.get("expect"), "100-continue");
    const bool small = announced && *announced <= core_.options.memory_body_bytes && !waits;
    if (parser.is_done()) co_return co_await write(request, std::move(response), version, keep_alive, 0);
    if (!small) response.close = true;
    if (!co_await write(request, std::move(response), version, small && keep_alive, 0) && small) co_return false;
    std::string scratch(64 * 1024, '\0');
    std::size_t drained = 0;
    lowest().expires_after(std::chrono::seconds(5));
    if (!small) {
      beast::error_code ignored;
      lowest().socket().shutdown(asio::socket_base::shutdown_send, ignored);
    }
    while (!parser.is_done() && drained < kDrainBytes) {
      auto& body = parser.get().body();
      body.data = scratch.data();
      body.size = scratch.size();
      const auto [error, bytes] = co_await http::async_read(stream_, buffer_, parser, kAwait);
      if (error && error != http::error::need_buffer) co_return false;
      drained += scratch.size() - parser.get().body().size;
    }
    const bool can_go_on = small && keep_alive && parser.is_done();
    co_return can_go_on;
  }

  asio::awaitable<bool> write(const Request& request, Response response, unsigned version, bool keep_alive,
                              std::size_t request_bytes) {
    keep_alive = keep_alive && !response.close && !core_.stopping;
    const std::string_view data = response.shared_body ? response.shared_body->view() : std::string_view(response.body);
    http::response<http::buffer_body> message;
    message.result(response.status);
    message.version(version);
    message.keep_alive(keep_alive);
    message.set(http::field::content_type, response.content_type);
    message.set("x-request-id", request.id);
    for (const auto& [name, value] : core_.options.headers) message.set(name, value);
    for (const auto& [name, value] : response.headers) message.set(name, value);
    const bool bodyless = response.status == 204 || response.status == 304;
    if (!bodyless) message.content_length(data.size());
    bool ok = true;
    if (data.size() <= kChunkBytes || request.method == "HEAD") {
      // One writev for header and body.
      http::response<http::span_body<const char>> whole(std::move(message.base()));
      if (!bodyless && request.method != "HEAD") whole.body() = {data.data(), data.size()};
      http::response_serializer<http::span_body<const char>> serializer(whole);
      if (request.method == "HEAD") serializer.split(true);
      lowest().expires_after(core_.options.write_timeout);
      if (request.method == "HEAD") {
        const auto [error, bytes] = co_await http::async_write_header(stream_, serializer, kAwait);
        ok = !error;
      } else {
        const auto [error, bytes] = co_await http::async_write(stream_, serializer, kAwait);
        ok = !error;
      }
    } else {
      ok = co_await write_large(message, data, response.shared_body.get());
    }
    if (listen_.handlers.done) {
      Access access;
      access.request = &request;
      access.status = response.status;
      access.request_bytes = request_bytes;
      access.response_bytes = data.size();
      access.duration = std::chrono::steady_clock::now() - started_;
      listen_.handlers.done(access);
    }
    co_return ok&& keep_alive;
  }

  asio::awaitable<bool> write_large(http::response<http::buffer_body>& message, std::string_view data,
                                    const Body* mapped) {
    http::response_serializer<http::buffer_body> serializer(message);
    lowest().expires_after(core_.options.write_timeout);
    const auto [header_error, header_bytes] = co_await http::async_write_header(stream_, serializer, kAwait);
    if (header_error) co_return false;
    for (std::size_t at = 0; at < data.size(); at += kChunkBytes) {
      const auto piece = asio::buffer(data.substr(at, kChunkBytes));
      lowest().expires_after(core_.options.write_timeout);
      const auto [error, bytes] = co_await asio::async_write(stream_, piece, kAwait);
      if (error) co_return false;
      if (mapped != nullptr && at % (16 * kChunkBytes) == 0) mapped->release_pages();
    }
    co_return true;
  }

  Stream stream_;
  Core& core_;
  const Listen& listen_;
  Far far_;
  std::shared_ptr<Connection> connection_;
  beast::flat_buffer buffer_;
  std::optional<Upgrade> upgrade_;
  std::chrono::steady_clock::time_point started_;
};

template <class Stream>
asio::awaitable<void> serve_connection(std::shared_ptr<Session<Stream>> session) {
  co_await session->run();
}

template <class Stream>
void start(Core& core, const Listen& listen, Stream stream, Far far) {
  const std::uint64_t id = core.next_connection++;
  auto connection = std::make_shared<Connection>();
  core.connections.emplace(id, connection);
  auto session = std::make_shared<Session<Stream>>(std::move(stream), core, listen, std::move(far), connection);
  asio::co_spawn(core.io, serve_connection<Stream>(session),
                 [&core, id, session, connection](const std::exception_ptr&) {
                   // Whatever ended it (bad_alloc at worst), this connection is over and no other is touched.
                   connection->close_now = nullptr;
                   connection->close_gently = nullptr;
                   core.connections.erase(id);
                 });
}

}  // namespace

void start_session(Core& core, const Listen& listen, asio::ssl::context* tls, tcp::socket socket) {
  beast::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const auto endpoint = socket.remote_endpoint(ignored);
  Far far{endpoint.address().to_string(), {}};
  if (tls != nullptr) {
    start(core, listen, TlsStream(beast::tcp_stream(std::move(socket)), *tls), std::move(far));
  } else {
    start(core, listen, beast::tcp_stream(std::move(socket)), std::move(far));
  }
}

void start_session(Core& core, const Listen& listen, asio::local::stream_protocol::socket socket) {
  Far far{"unix", peer_of(socket.native_handle())};
  start(core, listen, LocalStream(std::move(socket)), std::move(far));
}

}  // namespace tml::httpd::detail
