// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/daemon_client.hpp"

#include <unistd.h>

#include <algorithm>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"

namespace tml::flashlink {
namespace {

constexpr Millis kConnectTimeout{2'000};
// The daemon may have to end a stream of pictures, or a sampling, before it can close the port.
constexpr Millis kAnswerTimeout{30'000};

http::Request request_to(const std::filesystem::path& socket, std::string method, const std::string& path,
                         std::string body = {}) {
  http::Request request;
  request.method = std::move(method);
  request.url = "http://localhost" + path;
  request.unix_socket = socket.string();
  request.body = std::move(body);
  request.connect_timeout = kConnectTimeout;
  request.total_timeout = kAnswerTimeout;
  request.idle_timeout = kAnswerTimeout;
  return request;
}

std::string encoded(std::string_view segment) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : segment) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kDigits[byte >> 4U]);
    out.push_back(kDigits[byte & 15U]);
  }
  return out;
}

Errc code_of(int status) {
  switch (status) {
    case 400:
      return Errc::usage;
    case 403:
      return Errc::permission;
    case 404:
      return Errc::not_found;
    case 409:
      return Errc::busy;
    default:
      return Errc::failed;
  }
}

/// The answer's JSON (null for none), or the error that the daemon or the way to it had.
Result<Json> read_answer(Result<http::Response> answer, const std::filesystem::path& socket) {
  if (!answer) {
    Error error = answer.error();
    error.where = socket.string();
    if (::access(socket.c_str(), F_OK) != 0) {
      return fail(Errc::not_found, "no tml-daemon runs: there is no control socket", socket.string());
    }
    if (::access(socket.c_str(), R_OK | W_OK) != 0) {
      return fail(Errc::permission, "the control socket belongs to another user", socket.string());
    }
    if (error.code == Errc::network) error.what = "tml-daemon does not answer on its control socket";
    return pass(std::move(error));
  }
  if (answer->status == 204) return Json(nullptr);
  auto parsed = parse_json(answer->body, socket.string());
  if (answer->ok()) return parsed;
  Error error{code_of(answer->status), "tml-daemon refused", socket.string(), {}, {}};
  if (!parsed) return pass(std::move(error));
  const Json* inner = json_member(*parsed, "error");
  if (inner == nullptr) return pass(std::move(error));
  if (auto message = json_string(*inner, "message")) {
    error.what = "tml-daemon: " + *message;
    error.where.clear();
    error.hint.clear();
    while (!error.what.empty() && error.what.back() == '.') error.what.pop_back();
  }
  return pass(std::move(error));
}

DaemonBoard board_of(const Json& item) {
  DaemonBoard board;
  board.id = json_string(item, "id").value_or("");
  board.key = json_string(item, "key").value_or("");
  board.name = json_string(item, "name").value_or("");
  board.port = json_string(item, "port").value_or("");
  board.state = json_string(item, "state").value_or("");
  board.type = json_string(item, "type").value_or("");
  board.version = json_string(item, "version").value_or("");
  if (const Json* lent = json_member(item, "lent"); lent != nullptr && lent->is_object()) {
    board.lent_to = json_string(*lent, "owner").value_or("somebody");
  }
  return board;
}

}  // namespace

/// Shared by the Lease and the coroutine that renews it.
struct Lease::State {
  State(const boost::asio::any_io_executor& given, http::Client& client, std::filesystem::path path)
      : executor(given), http(client), socket(std::move(path)), pause(given) {}

  boost::asio::any_io_executor executor;
  http::Client& http;
  std::filesystem::path socket;
  std::string id;
  std::string port;
  std::uint32_t seconds = 0;
  bool over = false;
  bool lost = false;
  Pause pause;

  [[nodiscard]] static Awaitable<void> renew(std::shared_ptr<State> self);
  [[nodiscard]] static Awaitable<Result<void>> end(std::shared_ptr<State> self);
};

Awaitable<void> Lease::State::renew(std::shared_ptr<State> self) {
  const Millis third(std::max<std::uint32_t>(1, self->seconds * 1000 / 3));
  while (!self->over) {
    co_await self->pause.wait_for(third);
    if (self->over) co_return;
    http::Request request = request_to(self->socket, "POST", "/v1/leases/" + self->id + "/renew", "{}");
    auto answer = co_await self->http.send(std::move(request));
    auto read = read_answer(std::move(answer), self->socket);
    if (read || self->over) continue;
    log_debug(read.error().message());
    if (read.error().code == Errc::not_found) {
      self->lost = true;
      co_return;
    }
  }
}

Awaitable<Result<void>> Lease::State::end(std::shared_ptr<State> self) {
  http::Request request = request_to(self->socket, "DELETE", "/v1/leases/" + self->id);
  auto answer = co_await self->http.send(std::move(request));
  auto read = read_answer(std::move(answer), self->socket);
  if (!read) co_return pass(read.error());
  co_return Result<void>{};
}

Lease::Lease(std::shared_ptr<State> state) : state_(std::move(state)) {}
Lease::Lease(Lease&&) noexcept = default;

Lease& Lease::operator=(Lease&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Lease::~Lease() {
  if (!state_ || state_->over) return;
  state_->over = true;
  state_->pause.wake();
  if (state_->lost) return;
  auto end = [](std::shared_ptr<State> state) -> Awaitable<void> {
    auto ended = co_await State::end(std::move(state));
    if (!ended) log_debug(ended.error().message());
  };
  spawn_logged(state_->executor, end(state_), "lease");
}

const std::string& Lease::id() const { return state_->id; }
const std::string& Lease::port() const { return state_->port; }
bool Lease::lost() const { return state_->lost; }

Awaitable<Result<void>> Lease::give_back() {
  const std::shared_ptr<State> state = state_;
  if (state->over) co_return Result<void>{};
  state->over = true;
  state->pause.wake();
  if (state->lost) co_return fail(Errc::not_found, "the lease was over before", state->port);
  co_return co_await State::end(state);
}

std::filesystem::path DaemonClient::socket_path(const Environment& environment,
                                                const std::filesystem::path& state_dir) {
  const std::string runtime = environment("XDG_RUNTIME_DIR");
  return (runtime.empty() ? state_dir : std::filesystem::path(runtime) / "tml") / "daemon.sock";
}

DaemonClient::DaemonClient(boost::asio::any_io_executor executor, http::Client& http, std::filesystem::path socket)
    : executor_(std::move(executor)), http_(http), socket_(std::move(socket)) {}

Awaitable<Result<std::vector<DaemonBoard>>> DaemonClient::boards() {
  // Most machines have no daemon: that must not cost a connection attempt.
  if (::access(socket_.c_str(), F_OK) != 0) {
    co_return fail(Errc::not_found, "no tml-daemon runs: there is no control socket", socket_.string());
  }
  http::Request request = request_to(socket_, "GET", "/v1/boards");
  auto answer = co_await http_.send(std::move(request));
  const bool refused = !answer && answer.error().code == Errc::network;
  auto read = read_answer(std::move(answer), socket_);
  if (!read && refused && read.error().code == Errc::network) {
    co_return fail(Errc::not_found, "no tml-daemon runs: nobody listens on its control socket", socket_.string());
  }
  if (!read) co_return pass(read.error());
  std::vector<DaemonBoard> boards;
  const Json* list = json_member(*read, "boards");
  if (list == nullptr || !list->is_array()) {
    co_return fail(Errc::malformed, "tml-daemon's answer has no boards", socket_.string());
  }
  for (const Json& item : *list) boards.push_back(board_of(item));
  co_return boards;
}

Awaitable<Result<Lease>> DaemonClient::borrow(std::string board, BorrowRequest request) {
  const pid_t pid = request.pid != 0 ? request.pid : ::getpid();
  const Json body{{"owner", request.owner}, {"seconds", request.seconds}, {"pid", pid}, {"force", request.force}};
  http::Request message = request_to(socket_, "POST", "/v1/boards/" + encoded(board) + "/borrow", json_text(body));
  auto answer = co_await http_.send(std::move(message));
  auto read = read_answer(std::move(answer), socket_);
  if (!read) co_return pass(read.error());
  auto state = std::make_shared<Lease::State>(executor_, http_, socket_);
  state->id = json_string(*read, "lease").value_or("");
  state->port = json_string(*read, "port").value_or("");
  state->seconds = request.seconds;
  if (state->id.empty() || state->port.empty()) {
    co_return fail(Errc::malformed, "tml-daemon's answer names no lease", socket_.string());
  }
  spawn_logged(executor_, Lease::State::renew(state), "lease");
  co_return Lease(std::move(state));
}

}  // namespace tml::flashlink
