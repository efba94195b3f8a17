// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>

#include "common/tool/start.hpp"
#include "daemon/commands.hpp"

namespace tml::daemon {
namespace {

ExitCode dispatch(Context& context) {
  switch (context.options.command) {
    case Command::guided:
      return cmd_guided(context);
    case Command::register_board:
      return cmd_register(context);
    case Command::run:
      return cmd_run(context);
    case Command::sample:
      return cmd_sample(context);
    case Command::infer:
      return cmd_infer(context);
    case Command::ports:
      return cmd_ports(context);
    case Command::spool_list:
    case Command::spool_verify:
    case Command::spool_flush:
    case Command::spool_export:
      return cmd_spool(context);
  }
  return ExitCode::failed;
}

ExitCode run(const Options& options, cli::Reporter& reporter) {
  auto configuration = tool::configure(options, options.config_file, process_environment());
  if (!configuration) return reporter.error(configuration.error());
  boost::asio::io_context io(1);
  Context context(io, options, *std::move(configuration), reporter);
  return dispatch(context);
}

}  // namespace
}  // namespace tml::daemon

int main(int argc, char** argv) {
  using namespace tml;
  // A sample passes through several buffers of its size; what they leave behind goes back to the system, and the few
  // threads share one arena: 1.3 MB less private memory at rest (docs/tml-daemon.md).
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, 64 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 64 * 1024);
  return tool::run_main("tml-daemon", argc, argv, daemon::parse_options, daemon::run);
}
