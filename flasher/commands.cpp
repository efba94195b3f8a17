// SPDX-License-Identifier: Apache-2.0
#include "flasher/commands.hpp"

namespace tml::flasher {

ExitCode run(const Options& options, cli::Reporter& reporter) {
  if (const auto* compile = std::get_if<CompileOptions>(&options.command)) return run_compile(*compile, reporter);
  return run_model(std::get<RunOptions>(options.command), reporter);
}

}  // namespace tml::flasher
