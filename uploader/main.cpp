// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>

#include "common/tool/start.hpp"
#include "uploader/run.hpp"

namespace tml::uploader {
namespace {

ExitCode run(const Options& options, cli::Reporter& reporter) {
  if (options.dry_run) return run_dry(options, reporter);
  tool::ChooseHost choose_host;
  if (options.dev) choose_host = [&options] { return development_host(options); };
  auto configuration = tool::configure(options, {}, process_environment(), choose_host);
  if (!configuration) return reporter.error(configuration.error());
  boost::asio::io_context io(1);
  tool::Context context(io, options.project, *std::move(configuration), reporter);
  return run_upload(context, options);
}

}  // namespace
}  // namespace tml::uploader

int main(int argc, char** argv) {
  using namespace tml;
  // Batches are allocated on one thread and freed on another: more arenas would each keep some.
  ::mallopt(M_ARENA_MAX, 2);
  return tool::run_main("tml-uploader", argc, argv, uploader::parse_options, uploader::run);
}
