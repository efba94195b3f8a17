// SPDX-License-Identifier: Apache-2.0
#include "common/base/spawn.hpp"
#include "daemon/commands.hpp"
#include "daemon/wizard.hpp"

namespace tml::daemon {
namespace {

Awaitable<ExitCode> register_one(Context& context) {
  const cli::Prompt prompt(!context.options.no_input);
  if (auto checked = check_credentials(context, prompt); !checked) co_return context.reporter.error(checked.error());
  auto board = co_await choose_board(context, prompt);
  if (!board) co_return context.reporter.error(board.error());
  auto registration = co_await register_device(context, prompt, **board, context.options.clean);
  (*board)->stream->close();
  if (!registration) co_return context.reporter.error(registration.error());
  report_registration(context, *registration);
  co_return ExitCode::ok;
}

}  // namespace

ExitCode cmd_register(Context& context) {
  return run_to_end(context.io, register_one(context)).value_or(ExitCode::failed);
}

}  // namespace tml::daemon
