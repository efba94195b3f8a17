// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One run of tml-uploader: account, server, journal, plan, engine, summary.
#pragma once

#include "common/tool/context.hpp"
#include "uploader/options.hpp"

namespace tml::uploader {

/// --dry-run: what would be uploaded, one line or event per file. No network.
[[nodiscard]] ExitCode run_dry(const Options& options, cli::Reporter& reporter);

/// Runs the loop until all is done. 0: all there; 3: some failed; 1: all failed; 7, 8, 10: the server cannot be used;
/// 130: interrupted.
[[nodiscard]] ExitCode run_upload(tool::Context& context, const Options& options);

/// Where the journal of a run is kept when --journal does not say: named by server, key, folder and selection, so that
/// the same command finds it again.
[[nodiscard]] std::filesystem::path default_journal(const Paths& paths, const Options& options,
                                                    std::string_view target);

}  // namespace tml::uploader
