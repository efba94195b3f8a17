// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Flags that every tool spells the same way (design, section 3), and how a tool's command line is parsed. CLI11 is
// heavy to compile: include this in the one unit of a tool that defines its flags.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "common/base/exit_code.hpp"
#include "common/cli/common_flags.hpp"

namespace tml::cli {

void add_output_flags(CLI::App& app, OutputFlags& flags);
void add_server_flags(CLI::App& app, ServerFlags& flags);
/// `--port PATH|serial=X|id=X`
void add_port_flag(CLI::App& app, std::string& port);
/// --version, the exit-code footer, and suggestions off for positional leftovers. Call once on the tool's top app.
void set_up_app(CLI::App& app, const std::string& tool);

/// Parses; when the program should end now (help, version, usage error) the exit code to end with. Usage errors are
/// printed on standard error, as a JSON line on standard output too when --json is among the arguments.
[[nodiscard]] std::optional<ExitCode> parse_arguments(CLI::App& app, int argc, const char* const* argv);

}  // namespace tml::cli
