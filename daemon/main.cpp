// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "common/base/log.hpp"
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

LogLevel log_level(const Options& options) {
  if (options.verbose) return LogLevel::debug;
  return options.quiet ? LogLevel::error : LogLevel::info;
}

ExitCode run(int argc, char** argv) {
  auto parsed = parse_options(argc, argv);
  if (const auto* code = std::get_if<ExitCode>(&parsed)) return *code;
  auto& options = std::get<Options>(parsed);
  log_init(log_level(options), options.json);
  cli::Reporter reporter({"tml-daemon", options.json, options.quiet, cli::color_wanted()});
  const Environment environment = process_environment();
  auto paths = default_paths(environment);
  if (!paths) return reporter.error(paths.error());
  if (!options.config_file.empty()) paths->config_file = options.config_file;
  auto settings = load_effective(options, *paths, environment);
  if (!settings) return reporter.error(settings.error());
  auto endpoints = endpoints_for(settings->host);
  if (!endpoints) return reporter.error(endpoints.error());
  boost::asio::io_context io(1);
  Context context(io, std::move(options), *std::move(paths), *std::move(settings), *std::move(endpoints), reporter);
  return dispatch(context);
}

}  // namespace
}  // namespace tml::daemon

int main(int argc, char** argv) {
  // A sample passes through several buffers of its size; what they leave behind goes back to the system, and the few
  // threads share one arena: 1.3 MB less private memory at rest (docs/tml-daemon.md).
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, 64 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 64 * 1024);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return static_cast<int>(tml::daemon::run(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tml-daemon: internal error: %s\n", error.what());
    return static_cast<int>(tml::ExitCode::failed);
  }
}
