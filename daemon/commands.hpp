// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The commands of tml-daemon. Each prints through context.reporter and returns the program's exit code.
#pragma once

#include "daemon/context.hpp"

namespace tml::daemon {

[[nodiscard]] ExitCode cmd_register(Context& context);
[[nodiscard]] ExitCode cmd_run(Context& context);
/// No command: the wizard on a terminal, then as run.
[[nodiscard]] ExitCode cmd_guided(Context& context);
[[nodiscard]] ExitCode cmd_sample(Context& context);
[[nodiscard]] ExitCode cmd_infer(Context& context);
[[nodiscard]] ExitCode cmd_ports(Context& context);
[[nodiscard]] ExitCode cmd_spool(Context& context);

}  // namespace tml::daemon
