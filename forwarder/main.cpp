// SPDX-License-Identifier: Apache-2.0
#include "common/tool/start.hpp"
#include "forwarder/app.hpp"

namespace tml::forwarder {
namespace {

ExitCode run(const Options& options, cli::Reporter& reporter) {
  auto configuration = tool::configure(options, options.config_file, process_environment());
  if (!configuration) return reporter.error(configuration.error());
  boost::asio::io_context io(1);
  tool::Context context(io, options.project, *std::move(configuration), reporter);
  return run_app(context, options);
}

}  // namespace
}  // namespace tml::forwarder

int main(int argc, char** argv) {
  using namespace tml;
  return tool::run_main("tml-forwarder", argc, argv, forwarder::parse_options, forwarder::run);
}
