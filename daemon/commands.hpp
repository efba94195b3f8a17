// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The commands of tml-daemon. Each prints through context.reporter and returns the program's exit code.
#pragma once

#include <functional>
#include <memory>

#include "daemon/context.hpp"

namespace tml::daemon {

[[nodiscard]] ExitCode cmd_register(Context& context);
[[nodiscard]] ExitCode cmd_run(Context& context);
/// No command: the wizard on a terminal, then as run.
[[nodiscard]] ExitCode cmd_guided(Context& context);
[[nodiscard]] ExitCode cmd_sample(Context& context);
[[nodiscard]] ExitCode cmd_ports(Context& context);
[[nodiscard]] ExitCode cmd_spool(Context& context);

/// SIGINT and SIGTERM as a call on the loop; a second one ends the process at once with 130. While it lives.
class SignalWatch {
 public:
  SignalWatch(boost::asio::io_context& io, std::function<void(int)> on_signal);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tml::daemon
