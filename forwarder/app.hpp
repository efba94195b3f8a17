// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One run of tml-forwarder: stations for the inputs, a sampler or a remote session each, delivery in the background,
// and the end of it all: what is cut is stored, what is stored is delivered or left to the next run.
#pragma once

#include "common/base/exit_code.hpp"
#include "common/tool/context.hpp"
#include "forwarder/options.hpp"

namespace tml::forwarder {

/// Prints through context.reporter; returns the program's exit code. Runs context.io.
[[nodiscard]] ExitCode run_app(tool::Context& context, const Options& options);

}  // namespace tml::forwarder
