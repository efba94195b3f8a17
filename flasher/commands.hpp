// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The commands of tml-flash. Each prints its results through the reporter and returns the exit code; blocking.
#pragma once

#include "common/base/exit_code.hpp"
#include "common/cli/reporter.hpp"
#include "flasher/options.hpp"
#include "flasher/signing_key.hpp"

namespace tml::flasher {

[[nodiscard]] ExitCode run_compile(const CompileOptions& options, cli::Reporter& reporter);
[[nodiscard]] ExitCode run_model(const RunOptions& options, cli::Reporter& reporter);

[[nodiscard]] ExitCode run_flash(const FlashOptions& options, const BoardFlags& board, const Surroundings& around,
                                 cli::Reporter& reporter);
[[nodiscard]] ExitCode run_sign(const SignOptions& options, const Surroundings& around, cli::Reporter& reporter);
[[nodiscard]] ExitCode run_keygen(const KeygenOptions& options, const Surroundings& around, cli::Reporter& reporter);
[[nodiscard]] ExitCode run_file_info(const FileInfoOptions& options, cli::Reporter& reporter);
[[nodiscard]] ExitCode run_board_command(const BoardCommand& command, const BoardFlags& board,
                                         const Surroundings& around, cli::Reporter& reporter);

/// Chooses by the command.
[[nodiscard]] ExitCode run(const Options& options, cli::Reporter& reporter);

}  // namespace tml::flasher
