// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Runs one conversation with one board: the loop, Ctrl-C, the choice of the port, and giving it back. Blocking.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>

#include "common/cli/reporter.hpp"
#include "common/flashlink/connection.hpp"
#include "flasher/flash_options.hpp"
#include "flasher/signing_key.hpp"

namespace tml::flasher {

/// What a conversation gets: the chosen port, and where it says how to be interrupted.
struct Seat {
  boost::asio::io_context& io;
  flashlink::PortAccess& access;
  std::function<void()>& on_signal;  ///< Set while there is something to interrupt; called on the loop.
};
using Talk = std::function<serial::Awaitable<ExitCode>(Seat seat)>;

/// The exit code of `talk`; 130 when a signal came before the port was chosen.
[[nodiscard]] ExitCode on_port(const BoardFlags& flags, const Surroundings& around, cli::Reporter& reporter, Talk talk);

/// The same with an open connection, whose errors and `talk`'s are reported.
using BoardTalk = std::function<serial::Awaitable<Result<void>>(flashlink::Connection& connection)>;
[[nodiscard]] ExitCode on_board(const BoardFlags& flags, const Surroundings& around, cli::Reporter& reporter,
                                BoardTalk talk);

}  // namespace tml::flasher
