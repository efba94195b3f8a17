// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The wizard's offer to bring a board into a WiFi network (wire reference 2.4, step 6): scan, choose, password, write.
// Only where somebody can be asked. The password goes to the board and nowhere else: not into a log, not into an error,
// even where the board repeats it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/base/sync.hpp"
#include "common/cli/prompt.hpp"
#include "common/cli/reporter.hpp"
#include "common/serial/at_session.hpp"

namespace tml::daemon {

/// How the step talks to a person. All are called on the loop and may block it, as the wizard does.
struct WifiDialog {
  std::function<Result<bool>(const std::string& question)> confirm;
  std::function<Result<std::size_t>(const std::string& question, const std::vector<std::string>& choices)> choose;
  std::function<Result<std::string>(const std::string& question)> ask_secret;
  std::function<void(const std::string& line)> tell;
  std::function<void(const std::string& problem)> warn;
};

/// On the terminal. `prompt` and `reporter` outlive it.
[[nodiscard]] WifiDialog wifi_dialog(const cli::Prompt& prompt, cli::Reporter& reporter);

/// True when the board took a network. Nothing is asked of a board without WiFi, or already connected. A scan or a
/// setting that fails is shown through `dialog.warn` and gives false: the wizard goes on. Errors are those of the
/// questions only (Errc::interrupted at end of input).
[[nodiscard]] Awaitable<Result<bool>> offer_wifi(serial::AtSession& session, const serial::DeviceInfo& info,
                                                 const WifiDialog& dialog);

}  // namespace tml::daemon
