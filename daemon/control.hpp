// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The daemon's control socket: HTTP/1.1 and JSON on a Unix socket of mode 0600 (docs/tml-daemon.md, "Control socket").
// Only the daemon's own user and root are answered (SO_PEERCRED).
//
// The server has a thread of its own; requests are handled on the context's loop, where the leases live. Construct and
// destroy on the loop's thread; destroy before the Lending.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "common/httpd/server.hpp"
#include "daemon/lending.hpp"

namespace tml::daemon {

class Control {
 public:
  /// Errors: Server::listen's; Errc::busy: another daemon of this user has the socket.
  [[nodiscard]] static Result<std::unique_ptr<Control>> start(Context& context, Lending& lending,
                                                              const std::filesystem::path& socket);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

 private:
  Control() = default;
  std::unique_ptr<httpd::Server> server_;
  std::thread thread_;
};

/// $XDG_RUNTIME_DIR/tml/daemon.sock, without XDG_RUNTIME_DIR `state_dir`/daemon.sock.
[[nodiscard]] std::filesystem::path control_socket_path(const Environment& environment,
                                                        const std::filesystem::path& state_dir);

}  // namespace tml::daemon
