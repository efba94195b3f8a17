// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "common/base/log.hpp"
#include "common/cli/prompt.hpp"
#include "uploader/run.hpp"

namespace tml::uploader {
namespace {

/// --dev without --host: the ecosystem's list (wire reference 2.2).
Result<std::string> development_host(const Options& options) {
  const cli::Prompt prompt(!options.no_input);
  const std::vector<std::string> hosts = {"edgeimpulse.com", "acc1.edgeimpulse.com", "acc2.edgeimpulse.com",
                                          "localhost", "edgeimpulse.test"};
  auto index = prompt.choose("Which server do you want to use?", "--host", hosts);
  if (!index) return pass(index.error());
  return hosts[*index];
}

ExitCode run(int argc, char** argv) {
  auto parsed = parse_options(argc, argv);
  if (const auto* code = std::get_if<ExitCode>(&parsed)) return *code;
  const auto& options = std::get<Options>(parsed);
  log_init(options.verbose ? LogLevel::debug : options.quiet ? LogLevel::error : LogLevel::info, options.json);
  cli::Reporter reporter({"tml-uploader", options.json, options.quiet, cli::color_wanted()});
  if (options.dry_run) return run_dry(options, reporter);
  const Environment environment = process_environment();
  auto paths = default_paths(environment);
  if (!paths) return reporter.error(paths.error());
  auto settings = load_effective(options, *paths, environment);
  if (!settings) return reporter.error(settings.error());
  if (options.dev && options.host.empty() && environment("TML_HOST").empty()) {
    auto host = development_host(options);
    if (!host) return reporter.error(host.error());
    settings->host = *std::move(host);
  }
  auto endpoints = endpoints_for(settings->host);
  if (!endpoints) return reporter.error(endpoints.error());
  boost::asio::io_context io(1);
  tool::Context context(io, options.project, *std::move(paths), *std::move(settings), *std::move(endpoints), reporter);
  return run_upload(context, options);
}

}  // namespace
}  // namespace tml::uploader

int main(int argc, char** argv) {
  // Batches are allocated on one thread and freed on another: more arenas would each keep some.
  ::mallopt(M_ARENA_MAX, 2);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return static_cast<int>(tml::uploader::run(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tml-uploader: internal error: %s\n", error.what());
    return static_cast<int>(tml::ExitCode::failed);
  }
}
