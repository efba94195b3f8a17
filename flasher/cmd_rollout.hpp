// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// tml-flash rollout (docs/rollout.md). Blocking; prints through the reporter; the exit code.
#pragma once

#include "common/base/exit_code.hpp"
#include "common/cli/common_flags.hpp"
#include "common/cli/reporter.hpp"
#include "flasher/flash_options.hpp"
#include "flasher/rollout_options.hpp"
#include "flasher/signing_key.hpp"

namespace tml::flasher {

[[nodiscard]] ExitCode run_rollout(const RolloutOptions& options, const Surroundings& around, bool quiet,
                                   cli::Reporter& reporter);

/// `rollout status` and `rollout abort` of one that does not run.
[[nodiscard]] ExitCode rollout_status(const RolloutOptions& options, const std::filesystem::path& journal,
                                      cli::Reporter& reporter);

}  // namespace tml::flasher
