// SPDX-License-Identifier: Apache-2.0
#include "common/http/websocket.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <charconv>
#include <deque>
#include <exception>

#include "common/http/client.hpp"
#include "common/http/trust.hpp"

namespace tml::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr auto kNever = std::chrono::hours(24 * 365);
constexpr auto kCloseWithin = std::chrono::seconds(2);
constexpr std::size_t kMaxQueuedMessages = 256;
constexpr std::size_t kMaxProxyHead = 8192;

struct Address {
  std::string scheme;
  std::string host;
  std::string port;
  std::string target = "/";
  [[nodiscard]] bool secure() const { return scheme == "wss" || scheme == "https"; }
  /// As in a Host header: the port only where it is not the scheme's own.
  [[nodiscard]] std::string authority() const {
    const bool usual = port == (secure() ? "443" : "80");
    return usual ? bracketed_host() : bracketed_host() + ":" + port;
  }
  [[nodiscard]] std::string bracketed_host() const {
    return host.find(':') == std::string::npos ? host : "[" + host + "]";
  }
};

Result<Address> parse_address(std::string_view url, std::string_view what) {
  const auto bad = [&] { return fail(Errc::usage, "not a " + std::string(what) + " address:", printable_url(url)); };
  Address address;
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos || url.find_first_of(" \r\n\t") != std::string_view::npos) return bad();
  address.scheme = std::string(url.substr(0, scheme));
  url.remove_prefix(scheme + 3);
  const std::size_t slash = url.find_first_of("/?");
  if (slash != std::string_view::npos) {
    address.target = std::string(url.substr(slash));
    if (address.target.front() == '?') address.target.insert(0, 1, '/');
    url = url.substr(0, slash);
  }
  if (const std::size_t at = url.rfind('@'); at != std::string_view::npos) url.remove_prefix(at + 1);
  std::size_t colon = url.rfind(':');
  if (url.starts_with('[')) {
    const std::size_t end = url.find(']');
    if (end == std::string_view::npos) return bad();
    address.host = std::string(url.substr(1, end - 1));
    colon = end + 1 < url.size() ? end + 1 : std::string_view::npos;
  } else {
    address.host = std::string(url.substr(0, colon));
  }
  if (address.host.empty()) return bad();
  address.port = address.secure() ? "443" : "80";
  if (colon != std::string_view::npos) {
    const std::string_view port = url.substr(colon + 1);
    unsigned number = 0;
    const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (code != std::errc{} || end != port.data() + port.size() || number == 0 || number > 65535) return bad();
    address.port = std::string(port);
  }
  return address;
}

Error network_error(std::string what, const std::string& where, const boost::system::error_code& code) {
  Error error{Errc::network, std::move(what), where, {}, {}};
  if (code == websocket::error::message_too_big || code == websocket::error::buffer_overflow) error.code = Errc::limit;
  // Beast and TLS codes are not std::error_code's; their text is what helps.
  error.what += " (" + code.message() + "):";
  return error;
}

/// Everything that the coroutines of one connection share. They hold it by shared_ptr, so that the WebSocket may go at
/// any time.
template <class Stream>
struct Connection : std::enable_shared_from_this<Connection<Stream>> {
  struct Outgoing {
    explicit Outgoing(const asio::any_io_executor& executor, Message given)
        : message(std::move(given)), done(executor, kNever) {}
    Message message;
    std::optional<Result<void>> result;
    asio::steady_timer done;
  };

  template <class... Arguments>
  Connection(asio::any_io_executor given, WebSocketOptions chosen, Arguments&&... arguments)
      : executor(std::move(given)),
        options(std::move(chosen)),
        where(printable_url(options.url)),
        ws(std::forward<Arguments>(arguments)...),
        arrived(executor, kNever),
        room(executor, kNever),
        ping_timer(executor) {}

  void fail_all(Error error) {
    if (!failure) failure = std::move(error);
    arrived.cancel();
    room.cancel();
    ping_timer.cancel();
    beast::error_code ignored;
    beast::get_lowest_layer(ws).socket().close(ignored);
    for (const auto& item : outgoing) {
      item->result = Result<void>(pass(*failure));
      item->done.cancel();
    }
    outgoing.clear();
  }

  [[nodiscard]] Error lost(std::string what, const boost::system::error_code& code) const {
    return failure ? *failure : network_error(std::move(what), where, code);
  }

  asio::any_io_executor executor;
  WebSocketOptions options;
  std::string where;
  websocket::stream<Stream> ws;
  std::optional<Error> failure;
  std::deque<Message> incoming;
  std::size_t incoming_bytes = 0;
  asio::steady_timer arrived;  ///< Cancelled when `incoming` or `failure` changes.
  asio::steady_timer room;     ///< Cancelled when `incoming` shrinks.
  std::deque<std::shared_ptr<Outgoing>> outgoing;
  bool writing = false;
  bool reader_waits = false;  ///< The queue is full: pongs cannot be seen.
  asio::steady_timer ping_timer;
  bool ping_sending = false;  ///< Beast allows one at a time.
  bool pong_seen = false;
};

template <class Stream>
using Shared = std::shared_ptr<Connection<Stream>>;

/// Always reading, so that pings are answered and pongs are seen while the caller is busy with a message.
template <class Stream>
asio::awaitable<void> read_all(Shared<Stream> state) {
  while (!state->failure) {
    if (state->incoming.size() >= kMaxQueuedMessages || state->incoming_bytes >= state->options.max_message_bytes) {
      state->reader_waits = true;
      state->room.expires_after(kNever);
      co_await state->room.async_wait(kAwait);
      state->reader_waits = false;
      continue;
    }
    beast::flat_buffer buffer;
    const auto [code, size] = co_await state->ws.async_read(buffer, kAwait);
    if (code == websocket::error::closed) {
      const auto& reason = state->ws.reason();
      std::string text = "closed by the other side with code " + std::to_string(reason.code);
      if (!reason.reason.empty()) text += " " + std::string(reason.reason.data(), reason.reason.size());
      state->fail_all(Error{Errc::network, std::move(text) + ":", state->where, {}, {}});
      co_return;
    }
    if (code) {
      state->fail_all(state->lost("connection lost", code));
      co_return;
    }
    Message message{state->ws.got_binary(), beast::buffers_to_string(buffer.data())};
    state->incoming_bytes += size;
    state->incoming.push_back(std::move(message));
    state->arrived.cancel();
  }
}

template <class Stream>
asio::awaitable<void> write_all(Shared<Stream> state) {
  while (!state->outgoing.empty() && !state->failure) {
    const auto item = state->outgoing.front();
    state->ws.binary(item->message.binary);
    const auto data = asio::buffer(item->message.data);
    const auto [code, size] = co_await state->ws.async_write(data, kAwait);
    static_cast<void>(size);
    if (code) {
      state->fail_all(state->lost("connection lost while sending", code));
      break;
    }
    item->result.emplace();
    item->done.cancel();
    if (!state->outgoing.empty()) state->outgoing.pop_front();
  }
  state->writing = false;
}

template <class Stream>
asio::awaitable<void> keep_alive(Shared<Stream> state) {
  while (!state->failure) {
    state->ping_timer.expires_after(state->options.ping_every);
    co_await state->ping_timer.async_wait(kAwait);
    if (state->failure) co_return;
    state->pong_seen = false;
    bool reader_waited = state->reader_waits;
    // Not awaited: with a full send buffer the ping itself would never end, and that is what must be noticed.
    if (!state->ping_sending) {
      state->ping_sending = true;
      state->ws.async_ping({}, [state](beast::error_code) { state->ping_sending = false; });
    }
    state->ping_timer.expires_after(state->options.pong_within);
    co_await state->ping_timer.async_wait(kAwait);
    reader_waited = reader_waited || state->reader_waits;
    if (!state->failure && !state->pong_seen && !reader_waited) {
      state->fail_all(Error{Errc::timeout,
                            "no answer to a ping within " + std::to_string(state->options.pong_within.count()) + " ms:",
                            state->where,
                            {},
                            {}});
    }
  }
}

template <class Stream>
void spawn(const Shared<Stream>& state, asio::awaitable<void> task) {
  asio::co_spawn(state->executor, std::move(task), [state](const std::exception_ptr& problem) {
    if (problem) state->fail_all(Error{Errc::failed, "connection ended by an internal error:", state->where, {}, {}});
  });
}

template <class Stream>
class Socket final : public WebSocket {
 public:
  explicit Socket(Shared<Stream> state) : state_(std::move(state)) {}
  ~Socket() override { end(state_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  asio::awaitable<Result<Message>> read() override { return read_one(state_); }
  asio::awaitable<Result<void>> write(Message message) override { return write_one(state_, std::move(message)); }
  asio::awaitable<void> close(std::uint16_t code, std::string reason) override {
    return close_one(state_, code, std::move(reason));
  }
  void abort() override { end(state_); }

 private:
  static void end(const Shared<Stream>& state) {
    state->fail_all(Error{Errc::interrupted, "connection closed:", state->where, {}, {}});
  }

  static asio::awaitable<Result<Message>> read_one(Shared<Stream> state) {
    // What arrived before the end is still given out.
    while (state->incoming.empty() && !state->failure) {
      state->arrived.expires_after(kNever);
      co_await state->arrived.async_wait(kAwait);
    }
    if (state->incoming.empty()) co_return pass(*state->failure);
    Message message = std::move(state->incoming.front());
    state->incoming.pop_front();
    state->incoming_bytes -= std::min(state->incoming_bytes, message.data.size());
    state->room.cancel();
    co_return message;
  }

  static asio::awaitable<Result<void>> write_one(Shared<Stream> state, Message message) {
    if (state->failure) co_return pass(*state->failure);
    auto item = std::make_shared<typename Connection<Stream>::Outgoing>(state->executor, std::move(message));
    state->outgoing.push_back(item);
    if (!state->writing) {
      state->writing = true;
      spawn(state, write_all<Stream>(state));
    }
    if (!item->result) co_await item->done.async_wait(kAwait);
    if (!item->result) co_return fail(Errc::interrupted, "waiting for a message to be sent was cancelled");
    co_return *item->result;
  }

  static asio::awaitable<void> close_one(Shared<Stream> state, std::uint16_t code, std::string reason) {
    if (!state->failure) {
      // RFC 6455 section 5.5: control frames carry at most 125 bytes, two of which are the code.
      websocket::close_reason why(static_cast<websocket::close_code>(code), reason.substr(0, 123));
      auto done = std::make_shared<asio::steady_timer>(state->executor, kCloseWithin);
      auto finished = std::make_shared<bool>(false);
      state->ws.async_close(why, [state, done, finished](beast::error_code) {
        *finished = true;
        done->cancel();
      });
      if (!*finished) co_await done->async_wait(kAwait);
    }
    end(state);
  }

  Shared<Stream> state_;
};

asio::awaitable<Result<void>> ask_proxy(beast::tcp_stream& stream, const Address& target, const std::string& proxy,
                                        const std::string& authorization) {
  // RFC 9110 section 9.3.6: the port is always written.
  const std::string name = target.bracketed_host() + ":" + target.port;
  std::string request = "CONNECT " + name + " HTTP/1.1\r\nHost: " + name + "\r\n";
  if (!authorization.empty()) request += "Proxy-Authorization: " + authorization + "\r\n";
  request += "\r\n";
  const auto data = asio::buffer(request);
  const auto [write_code, written] = co_await asio::async_write(stream, data, kAwait);
  static_cast<void>(written);
  if (write_code) co_return pass(network_error("proxy does not take the request", proxy, write_code));
  std::string head;
  auto into = asio::dynamic_buffer(head, kMaxProxyHead);
  const auto [read_code, size] = co_await asio::async_read_until(stream, into, "\r\n\r\n", kAwait);
  static_cast<void>(size);
  if (read_code) co_return pass(network_error("proxy does not answer", proxy, read_code));
  const std::string_view line = std::string_view(head).substr(0, head.find('\r'));
  if (!line.starts_with("HTTP/1.") || line.size() < 12 || line.substr(9, 3) != "200") {
    co_return fail(Errc::refused, "proxy refused the connection (" + std::string(line.substr(0, 60)) + "):", proxy);
  }
  co_return Result<void>{};
}

template <class Stream>
asio::awaitable<Result<void>> open_tcp(Shared<Stream> state, const Address& address, tcp::resolver& resolver) {
  Address next = address;
  std::string authorization;
  const auto proxy_url = proxy_for(address.secure() ? "https" : "http", address.host);
  if (proxy_url) {
    const std::string with_scheme = proxy_url->find("://") == std::string::npos ? "http://" + *proxy_url : *proxy_url;
    auto proxy = parse_address(with_scheme, "proxy");
    if (!proxy) co_return pass(proxy.error());
    if (proxy->scheme != "http")
      co_return fail(Errc::unsupported,
                     "only http:// proxies are supported for WebSockets:", printable_url(*proxy_url));
    next = std::move(*proxy);
    authorization = proxy_authorization(with_scheme);
  }
  const std::string where = next.host + ":" + next.port;
  const auto [resolve_code, endpoints] = co_await resolver.async_resolve(next.host, next.port, kAwait);
  if (resolve_code) co_return pass(network_error("cannot resolve", where, resolve_code));
  auto& tcp_layer = beast::get_lowest_layer(state->ws);
  const auto [connect_code, endpoint] = co_await tcp_layer.async_connect(endpoints, kAwait);
  static_cast<void>(endpoint);
  if (connect_code) co_return pass(network_error("cannot connect", where, connect_code));
  beast::error_code ignored;
  tcp_layer.socket().set_option(tcp::no_delay(true), ignored);
  if (!proxy_url) co_return Result<void>{};
  co_return co_await ask_proxy(tcp_layer, address, where, authorization);
}

/// OpenSSL's own check instead of Asio's callback: afterwards it can say what was wrong.
bool expect_certificate_of(SSL* tls, const std::string& host) {
  boost::system::error_code no_address;
  static_cast<void>(asio::ip::make_address(host, no_address));
  // RFC 6066 section 3: addresses are not sent as a server name.
  if (!no_address) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host.c_str()) == 1;
  SSL_set_hostflags(tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(tls, host.c_str()) == 1 && SSL_set_tlsext_host_name(tls, host.c_str()) == 1;
}

template <class Stream>
asio::awaitable<Result<void>> open_tls(Shared<Stream> state, const Address& address) {
  if constexpr (!std::is_same_v<Stream, beast::tcp_stream>) {
    auto& tls = state->ws.next_layer();
    if (!expect_certificate_of(tls.native_handle(), address.host))
      co_return fail(Errc::usage, "not a host name:", address.host);
    const auto [code] = co_await tls.async_handshake(asio::ssl::stream_base::client, kAwait);
    if (code) {
      Error error = network_error("TLS handshake failed", state->where, code);
      if (const long verdict = SSL_get_verify_result(tls.native_handle()); verdict != X509_V_OK) {
        error.what =
            "the server's certificate is not accepted (" + std::string(X509_verify_cert_error_string(verdict)) + "):";
        error.hint =
            certificate_hint(verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH);
      }
      co_return pass(std::move(error));
    }
  }
  co_return Result<void>{};
}

template <class Stream>
asio::awaitable<Result<void>> upgrade(Shared<Stream> state, const Address& address) {
  auto& ws = state->ws;
  websocket::stream_base::timeout times{};
  times.handshake_timeout = state->options.connect_timeout;
  times.idle_timeout = websocket::stream_base::none();
  ws.set_option(times);
  ws.read_message_max(state->options.max_message_bytes);
  ws.set_option(websocket::stream_base::decorator(
      [headers = state->options.headers, agent = state->options.user_agent](websocket::request_type& request) {
        request.set(beast::http::field::user_agent, agent);
        for (const auto& [name, value] : headers) request.set(name, value);
      }));
  // Weak: the callback lives in the stream, which lives in the connection.
  ws.control_callback([weak = std::weak_ptr(state)](websocket::frame_type kind, beast::string_view) {
    const auto alive = weak.lock();
    if (alive && kind == websocket::frame_type::pong) alive->pong_seen = true;
  });
  websocket::response_type response;
  const std::string authority = address.authority();
  const auto [code] = co_await ws.async_handshake(response, authority, address.target, kAwait);
  if (code == websocket::error::upgrade_declined) {
    co_return fail(
        Errc::refused,
        "server answered " + std::to_string(response.result_int()) + " in place of a WebSocket:", state->where);
  }
  if (code) co_return pass(network_error("WebSocket handshake failed", state->where, code));
  co_return Result<void>{};
}

template <class Stream>
asio::awaitable<Result<std::unique_ptr<WebSocket>>> establish(Shared<Stream> state, Address address) {
  tcp::resolver resolver(state->executor);
  // One clock over all steps: closing the socket ends whichever is under way.
  asio::steady_timer watchdog(state->executor, state->options.connect_timeout);
  auto expired = std::make_shared<bool>(false);
  watchdog.async_wait([state, expired, &resolver](beast::error_code code) {
    if (code) return;
    *expired = true;
    resolver.cancel();
    beast::get_lowest_layer(state->ws).close();
  });
  auto opened = co_await open_tcp(state, address, resolver);
  if (opened) opened = co_await open_tls(state, address);
  if (opened) opened = co_await upgrade(state, address);
  watchdog.cancel();
  if (*expired)
    co_return fail(Errc::timeout,
                   "no WebSocket connection within " + std::to_string(state->options.connect_timeout.count()) + " ms:",
                   state->where);
  if (!opened) co_return pass(opened.error());
  beast::get_lowest_layer(state->ws).expires_never();
  spawn(state, read_all<Stream>(state));
  if (state->options.ping_every.count() > 0) spawn(state, keep_alive<Stream>(state));
  std::unique_ptr<WebSocket> socket = std::make_unique<Socket<Stream>>(state);
  co_return std::move(socket);
}

bool is_clean(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

Result<std::shared_ptr<asio::ssl::context>> make_tls(const WebSocketOptions& options) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  boost::system::error_code code;
  if (SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION) != 1)
    return fail(Errc::failed, "TLS 1.2 is not available");
  context->set_verify_mode(asio::ssl::verify_peer, code);
  const std::string ca_file = ca_file_or_default(options.ca_file);
  if (!code && ca_file.empty()) context->set_default_verify_paths(code);
  if (!code && !ca_file.empty()) context->load_verify_file(ca_file, code);
  if (code) return fail(Errc::usage, "cannot read the CA certificates (" + code.message() + "):", ca_file);
  return context;
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<WebSocket>>> WebSocket::connect(WebSocketOptions options) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto address = parse_address(options.url, "ws:// or wss://");
  if (!address) co_return pass(address.error());
  if (address->scheme != "ws" && address->scheme != "wss")
    co_return fail(Errc::usage, "not a ws:// or wss:// address:", printable_url(options.url));
  for (const auto& [name, value] : options.headers) {
    if (!is_clean(name) || !is_clean(value) || name.empty())
      co_return fail(Errc::usage, "control characters in header", name);
  }
  if (!address->secure()) {
    auto state = std::make_shared<Connection<beast::tcp_stream>>(executor, std::move(options), executor);
    auto plain = co_await establish(state, std::move(*address));
    co_return std::move(plain);
  }
  auto context = make_tls(options);
  if (!context) co_return pass(context.error());
  using Tls = beast::ssl_stream<beast::tcp_stream>;
  // OpenSSL counts references: the stream keeps the SSL_CTX alive beyond this context object.
  auto state = std::make_shared<Connection<Tls>>(executor, std::move(options), beast::tcp_stream(executor), **context);
  auto secure = co_await establish(state, std::move(*address));
  co_return std::move(secure);
}

}  // namespace tml::http
