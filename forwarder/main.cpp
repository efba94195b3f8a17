// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstdio>
#include <exception>

#include "common/base/log.hpp"
#include "forwarder/app.hpp"

namespace tml::forwarder {
namespace {

LogLevel log_level(const Options& options) {
  if (options.verbose) return LogLevel::debug;
  return options.quiet ? LogLevel::error : LogLevel::info;
}

ExitCode run(int argc, char** argv) {
  auto parsed = parse_options(argc, argv);
  if (const auto* code = std::get_if<ExitCode>(&parsed)) return *code;
  const auto& options = std::get<Options>(parsed);
  log_init(log_level(options), options.json);
  cli::Reporter reporter({"tml-forwarder", options.json, options.quiet, cli::color_wanted()});
  const Environment environment = process_environment();
  auto paths = default_paths(environment);
  if (!paths) return reporter.error(paths.error());
  if (!options.config_file.empty()) paths->config_file = options.config_file;
  auto settings = load_effective(options, *paths, environment);
  if (!settings) return reporter.error(settings.error());
  auto endpoints = endpoints_for(settings->host);
  if (!endpoints) return reporter.error(endpoints.error());
  boost::asio::io_context io(1);
  tool::Context context(io, options.project, *std::move(paths), *std::move(settings), *std::move(endpoints), reporter);
  return run_app(context, options);
}

}  // namespace
}  // namespace tml::forwarder

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return static_cast<int>(tml::forwarder::run(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tml-forwarder: internal error: %s\n", error.what());
    return static_cast<int>(tml::ExitCode::failed);
  }
}
