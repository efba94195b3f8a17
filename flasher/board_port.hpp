// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Which board a command is for: --port, else the only one there is; ports that a running tml-daemon serves are borrowed
// from it. One executor.
#pragma once

#include <memory>

#include "common/cli/prompt.hpp"
#include "common/flashlink/daemon_client.hpp"
#include "common/flashlink/port_access.hpp"
#include "flasher/flash_options.hpp"

namespace tml::flasher {

/// `daemon`: null when it shall not be asked; outlives the access. Errors: Errc::not_found without a board (of that
/// id), Errc::usage naming the boards when there are several and nobody can be asked, and the port's own (busy,
/// permission).
[[nodiscard]] serial::Awaitable<Result<std::unique_ptr<flashlink::PortAccess>>> choose_port(
    boost::asio::any_io_executor executor, BoardFlags flags, flashlink::DaemonClient* daemon, cli::Prompt prompt);

}  // namespace tml::flasher
