// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The commands of tml-flash. Each prints its results through the reporter and returns the exit code; blocking.
#pragma once

#include "common/base/exit_code.hpp"
#include "common/cli/reporter.hpp"
#include "flasher/options.hpp"

namespace tml::flasher {

[[nodiscard]] ExitCode run_compile(const CompileOptions& options, cli::Reporter& reporter);
[[nodiscard]] ExitCode run_model(const RunOptions& options, cli::Reporter& reporter);

/// Chooses by the command.
[[nodiscard]] ExitCode run(const Options& options, cli::Reporter& reporter);

}  // namespace tml::flasher
