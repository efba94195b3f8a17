// SPDX-License-Identifier: Apache-2.0
#include "common/tool/start.hpp"

#include <csignal>
#include <cstdio>
#include <exception>

#include "common/base/log.hpp"

namespace tml::tool {

cli::Reporter start_output(const std::string& tool, const cli::OutputFlags& flags) {
  log_init(flags.verbose ? LogLevel::debug : flags.quiet ? LogLevel::error : LogLevel::info, flags.json);
  return cli::Reporter({tool, flags.json, flags.quiet, cli::color_wanted()});
}

Result<Configuration> configure(const cli::ServerFlags& flags, const std::string& config_file,
                                const Environment& environment, const ChooseHost& choose_host) {
  auto paths = default_paths(environment);
  if (!paths) return pass(paths.error());
  if (!config_file.empty()) paths->config_file = config_file;
  auto settings = cli::effective_settings(flags, *paths, environment);
  if (!settings) return pass(settings.error());
  if (choose_host && flags.host.empty() && environment("TML_HOST").empty()) {
    auto host = choose_host();
    if (!host) return pass(host.error());
    settings->host = *std::move(host);
  }
  auto endpoints = endpoints_for(settings->host);
  if (!endpoints) return pass(endpoints.error());
  return Configuration{*std::move(paths), *std::move(settings), *std::move(endpoints)};
}

int guard_main(const std::string& tool, const std::function<ExitCode()>& body) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return static_cast<int>(body());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: internal error: %s\n", tool.c_str(), error.what());
    return static_cast<int>(ExitCode::failed);
  }
}

}  // namespace tml::tool
