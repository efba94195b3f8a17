// SPDX-License-Identifier: Apache-2.0
#include <csignal>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"
#include "common/spool/async_spool.hpp"
#include "daemon/commands.hpp"
#include "daemon/control.hpp"
#include "daemon/fleet.hpp"
#include "daemon/wizard.hpp"

namespace tml::daemon {
namespace {

Result<std::vector<serial::PortSelector>> parse_selectors(const std::vector<std::string>& texts) {
  std::vector<serial::PortSelector> selectors;
  for (const std::string& text : texts) {
    auto selector = serial::PortSelector::parse(text);
    if (!selector) return pass(selector.error());
    selectors.push_back(*std::move(selector));
  }
  return selectors;
}

Awaitable<ExitCode> serve(Context& context, Fleet& fleet, Deliveries& deliveries) {
  Event delivery_ended(context.io.get_executor());
  auto deliver = [](Deliveries& all, Event& ended) -> Awaitable<void> {
    co_await all.run();
    ended.set();
  };
  spawn_logged(context.io.get_executor(), deliver(deliveries, delivery_ended), "delivery");
  auto served = co_await fleet.run();
  deliveries.stop();
  co_await delivery_ended.wait();
  if (!served) co_return context.reporter.error(served.error());
  co_return ExitCode::ok;
}

/// Null without one: boards are served all the same.
std::unique_ptr<Control> open_control(Context& context, Lending& lending) {
  const auto socket = control_socket_path(process_environment(), context.paths.state_dir);
  auto control = Control::start(context, lending, socket);
  if (control) {
    context.reporter.event("control", Json{{"socket", socket.string()}});
    return *std::move(control);
  }
  const bool other_daemon = control.error().code == Errc::busy;
  (other_daemon ? log_info : log_warning)("no control socket: " + control.error().message());
  return nullptr;
}

ExitCode serve_until_signal(Context& context, const std::vector<std::string>& ports) {
  auto selectors = parse_selectors(ports);
  if (!selectors) return context.reporter.error(selectors.error());
  auto spool = context.open_spool();
  if (!spool) return context.reporter.error(spool.error());
  context.report_endpoints();
  Deliveries deliveries(context, **spool);
  Fleet fleet(context, **spool, deliveries, *std::move(selectors));
  Lending lending(context, fleet);
  const auto control = open_control(context, lending);
  int signal = 0;
  const SignalWatch watch(context.io, [&signal, &fleet, &lending](int number) {
    signal = number;
    lending.stop();
    fleet.stop();
  });
  const ExitCode code = run_to_end(context.io, serve(context, fleet, deliveries)).value_or(ExitCode::failed);
  if (code == ExitCode::ok) context.reporter.event("stopped", Json::object());
  return code == ExitCode::ok && signal == SIGINT ? ExitCode::interrupted : code;
}

Awaitable<Result<void>> guide(Context& context, const cli::Prompt& prompt) {
  auto board = co_await choose_board(context, prompt);
  if (!board) co_return pass(board.error());
  auto registration = co_await register_device(context, prompt, **board, false);
  (*board)->stream->close();
  if (!registration) co_return pass(registration.error());
  report_registration(context, *registration);
  co_return Result<void>{};
}

}  // namespace

ExitCode cmd_run(Context& context) { return serve_until_signal(context, context.options.ports); }

ExitCode cmd_guided(Context& context) {
  const cli::Prompt prompt(!context.options.no_input);
  if (auto checked = check_credentials(context, prompt); !checked) return context.reporter.error(checked.error());
  if (!prompt.interactive()) return serve_until_signal(context, context.options.ports);
  auto guided = run_to_end(context.io, guide(context, prompt));
  if (!guided) return ExitCode::failed;
  if (!*guided) return context.reporter.error(guided->error());
  // The board that was chosen and every other one, unless --port named it; a selector finds it again on another port.
  return serve_until_signal(context, context.options.ports);
}

}  // namespace tml::daemon
