// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The flags of `tml-flash rollout`. CLI11 is heavy: included by the units that define flags.
#pragma once

#include <CLI/CLI.hpp>

#include "common/base/error.hpp"
#include "flasher/rollout_options.hpp"

namespace tml::flasher {

void add_rollout_flags(CLI::App& app, RolloutOptions& options);
/// Once `rollout` was given: which of its forms it is. Errc::usage when none or two are.
[[nodiscard]] Result<void> finish_rollout_flags(const CLI::App& app, RolloutOptions& options);

}  // namespace tml::flasher
