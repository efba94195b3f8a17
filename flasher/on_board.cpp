// SPDX-License-Identifier: Apache-2.0
#include "flasher/on_board.hpp"

#include <optional>

#include "common/base/random.hpp"
#include "common/base/spawn.hpp"
#include "common/http/client.hpp"
#include "common/tool/signal_watch.hpp"
#include "flasher/board_port.hpp"

namespace tml::flasher {
namespace {

using flashlink::Connection;
using flashlink::PortAccess;
using serial::Awaitable;

Awaitable<ExitCode> converse(boost::asio::io_context& io, BoardFlags flags, flashlink::DaemonClient* daemon,
                             cli::Prompt prompt, cli::Reporter& reporter, std::function<void()>& on_signal,
                             const Talk& talk) {
  auto access = co_await choose_port(io.get_executor(), flags, daemon, prompt);
  if (!access) co_return reporter.error(access.error());
  const Seat seat{io, **access, on_signal};
  const ExitCode code = co_await talk(seat);
  on_signal = nullptr;
  co_await (*access)->give_back();
  co_return code;
}

}  // namespace

ExitCode on_port(const BoardFlags& flags, const Surroundings& around, cli::Reporter& reporter, Talk talk) {
  // Outlive the loop, whose end destroys what is still suspended on it.
  http::Client http;
  std::optional<flashlink::DaemonClient> daemon;
  std::function<void()> on_signal;
  bool interrupted = false;
  boost::asio::io_context io;
  const auto paths = default_paths(around.environment);
  if (!flags.no_daemon && paths)
    daemon.emplace(io.get_executor(), http, flashlink::DaemonClient::socket_path(around.environment, paths->state_dir));
  const tool::SignalWatch watch(io, [&](int) {
    interrupted = true;
    if (on_signal) return on_signal();
    io.stop();
  });
  auto conversation =
      converse(io, flags, daemon ? &*daemon : nullptr, cli::Prompt(around.may_ask), reporter, on_signal, talk);
  const auto code = run_to_end(io, std::move(conversation));
  if (code) return *code;
  return interrupted ? ExitCode::interrupted : ExitCode::failed;
}

ExitCode on_board(const BoardFlags& flags, const Surroundings& around, cli::Reporter& reporter, BoardTalk talk) {
  return on_port(flags, around, reporter, [&](Seat seat) -> Awaitable<ExitCode> {
    flashlink::ConnectionOptions options;
    options.start_baud = flags.start_baud;
    options.baud = flags.baud;
    options.replug_wait = std::chrono::seconds(flags.wait_s);
    Connection connection(seat.access, system_random(), options);
    seat.on_signal = [&connection] { connection.stop(); };
    auto done = co_await connection.open();
    if (done) done = co_await talk(connection);
    if (done) co_return ExitCode::ok;
    if (done.error().where.empty()) done.error().where = seat.access.name();
    co_return reporter.error(done.error());
  });
}

}  // namespace tml::flasher
