// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From whatever credentials there are to a project, its keys and a device's name on the server (wire reference 2.1 to
// 2.3). Asks on a terminal what flags, environment and configuration leave open; without one it fails with Errc::usage
// and names the flag. The questions block the loop: use it before serving.
#pragma once

#include <string>

#include "common/base/sync.hpp"
#include "common/cli/prompt.hpp"
#include "common/tool/context.hpp"

namespace tml::tool {

/// The server as people know it: the host of the settings, or the public cloud's.
[[nodiscard]] std::string shown_host(const Context& context);

/// Fails early, before a port is touched, where nobody could be asked for what is missing.
[[nodiscard]] Result<void> check_credentials(const Context& context, const cli::Prompt& prompt);

/// Logs in or checks the key, chooses the project, gets its keys. `device`: its key in the settings, or empty. `anew`
/// passes over what was stored for it.
[[nodiscard]] Awaitable<Result<ProjectFacts>> establish_project(Context& context, const cli::Prompt& prompt,
                                                                const std::string& device, bool anew);

struct DeviceRecord {
  std::string id;
  std::string type;
  std::string name;  ///< Wished for; empty = ask where the device has none, or leave it.
};

/// Makes the device's record on the server where there is none, and returns its name.
[[nodiscard]] Awaitable<Result<std::string>> name_device(Context& context, const cli::Prompt& prompt,
                                                         const ProjectFacts& project, DeviceRecord device);

}  // namespace tml::tool
