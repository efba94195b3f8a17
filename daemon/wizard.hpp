// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From a board and whatever credentials there are to a registered device: which board, which project, which keys, what
// name (wire reference 2.1 to 2.4). Asks on a terminal what flags, environment and configuration leave open; without
// one it fails with Errc::usage and names the flag. The questions block the loop: use it before serving.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/cli/prompt.hpp"
#include "common/tool/account.hpp"
#include "daemon/board.hpp"
#include "daemon/context.hpp"

namespace tml::daemon {

using tool::check_credentials;
using tool::establish_project;
using tool::shown_host;

struct Registration {
  std::string board;
  std::string device_id;
  std::string name;
  ProjectFacts project;
  std::vector<std::string> written;  ///< What was written to the board: "upload_host", ..., "wifi".
};

/// The one board that the flags or the user choose, open and identified. Errc::not_found without any.
[[nodiscard]] Awaitable<Result<std::shared_ptr<Board>>> choose_board(Context& context, const cli::Prompt& prompt);

/// All of it; stores project and keys in the configuration file.
[[nodiscard]] Awaitable<Result<Registration>> register_device(Context& context, const cli::Prompt& prompt, Board& board,
                                                              bool clean);

/// Prints a registration.
void report_registration(Context& context, const Registration& registration);

}  // namespace tml::daemon
