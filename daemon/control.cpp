// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "daemon/control.hpp"

#include <unistd.h>

#include <boost/asio/post.hpp>

#include "common/base/file.hpp"
#include "common/base/spawn.hpp"
#include "daemon/control_api.hpp"

namespace tml::daemon {
namespace {

constexpr std::size_t kMaxBodyBytes = 4096;
constexpr std::size_t kMaxConnections = 64;

Awaitable<void> serve(Lending& lending, ControlRequest request, httpd::Responder responder) {
  httpd::Response response = co_await answer_control(lending, std::move(request));
  responder.send(std::move(response));
}

httpd::Admission admit(const httpd::Request& request) {
  httpd::Admission admission;
  admission.max_body_bytes = kMaxBodyBytes;
  if (!request.peer || (request.peer->uid != ::geteuid() && request.peer->uid != 0)) {
    admission.refusal = control_error(Error{Errc::permission, "this daemon serves another user", {}, {}, {}});
  }
  return admission;
}

}  // namespace

std::filesystem::path control_socket_path(const Environment& environment, const std::filesystem::path& state_dir) {
  const std::string runtime = environment("XDG_RUNTIME_DIR");
  return (runtime.empty() ? state_dir : std::filesystem::path(runtime) / "tml") / "daemon.sock";
}

Result<std::unique_ptr<Control>> Control::start(Context& context, Lending& lending,
                                                const std::filesystem::path& socket) {
  if (auto made = make_private_dir(socket.parent_path()); !made) return pass(made.error());
  httpd::Options options;
  options.memory_body_bytes = kMaxBodyBytes;
  options.max_connections = kMaxConnections;
  options.stop_grace = Millis{500};
  std::unique_ptr<Control> control(new Control);
  control->server_ = httpd::Server::create(std::move(options));
  httpd::Listen listen;
  listen.unix_path = socket;
  listen.handlers.admit = admit;
  listen.handlers.request = [&context, &lending](httpd::Request request, httpd::Responder responder) {
    ControlRequest part{request.method, request.path, std::string(request.body_view())};
    boost::asio::post(context.io,
                      [&context, &lending, part = std::move(part), responder = std::move(responder)]() mutable {
                        auto task = serve(lending, std::move(part), std::move(responder));
                        spawn_logged(context.io.get_executor(), std::move(task), "control");
                      });
  };
  auto listening = control->server_->listen(std::move(listen));
  if (!listening) return pass(listening.error());
  control->thread_ = std::thread([server = control->server_.get()] { server->run(); });
  return control;
}

Control::~Control() {
  if (!thread_.joinable()) return;
  server_->stop();
  thread_.join();
}

}  // namespace tml::daemon
