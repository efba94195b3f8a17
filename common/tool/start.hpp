// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// How a tool with an account starts: from the command line to what its Context is made of. Blocking; one thread, before
// the loop runs.
#pragma once

#include <functional>
#include <string>
#include <variant>

#include "common/base/exit_code.hpp"
#include "common/cli/common_flags.hpp"
#include "common/cli/reporter.hpp"
#include "common/tool/context.hpp"

namespace tml::tool {

/// Starts the log at the level of --verbose or --quiet, and makes the one that reports.
[[nodiscard]] cli::Reporter start_output(const std::string& tool, const cli::OutputFlags& flags);

/// Chooses the host where neither a flag nor the environment names one.
using ChooseHost = std::function<Result<std::string>()>;

/// Flags over environment over file. `config_file` stands in place of the default path unless it is empty. Errors:
/// those of default_paths(), cli::effective_settings(), `choose_host` (may be empty) and endpoints_for().
[[nodiscard]] Result<Configuration> configure(const cli::ServerFlags& flags, const std::string& config_file,
                                              const Environment& environment, const ChooseHost& choose_host = {});

/// The exit code of `body`; what it throws is an internal error: a line on standard error, and 1. From now on SIGPIPE
/// is ignored: a peer that is gone is the error of a write.
[[nodiscard]] int guard_main(const std::string& tool, const std::function<ExitCode()>& body);

/// The whole of a main(): parses (`parse` gives a code where the program should end now), starts the output, runs.
/// `Options` derives from cli::OutputFlags.
template <typename Options>
[[nodiscard]] int run_main(const std::string& tool, int argc, const char* const* argv,
                           std::variant<Options, ExitCode> (*parse)(int argc, const char* const* argv),
                           ExitCode (*run)(const Options& options, cli::Reporter& reporter)) {
  return guard_main(tool, [&] {
    const auto parsed = parse(argc, argv);
    if (const auto* code = std::get_if<ExitCode>(&parsed)) return *code;
    const auto& options = std::get<Options>(parsed);
    cli::Reporter reporter = start_output(tool, options);
    return run(options, reporter);
  });
}

}  // namespace tml::tool
