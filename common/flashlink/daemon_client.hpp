// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The client of a running tml-daemon's control socket (docs/tml-daemon.md, "Control socket"): which boards it serves,
// and borrowing one of them, so that another tool can have its port.
//
//   http::Client http;
//   DaemonClient daemon(executor, http, DaemonClient::socket_path(environment, paths.state_dir));
//   auto boards = co_await daemon.boards();            // Errc::not_found: no daemon runs
//   auto lease = co_await daemon.borrow("/dev/ttyACM0", request);
//   ... open lease->port(), flash, close it ...
//   co_await lease->give_back();
//
// A lease renews itself in the background for as long as the Lease lives and the loop runs. It ends with give_back(),
// with the Lease's destruction (the request is sent, nobody waits for it), with its expiry when the loop stands still,
// and with the death of this process: the daemon watches its pid. Close the port before the lease ends.
//
// One executor; nothing blocks. `http` outlives client and leases. Errors: not_found (no daemon; unknown board or
// lease), busy (lent already, or sampling: the text says to whom or what), network (the daemon went away), permission
// (the socket belongs to another user), usage.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/settings.hpp"
#include "common/base/sync.hpp"
#include "common/http/client.hpp"

namespace tml::flashlink {

/// A board as the daemon knows it. Texts are empty where it does not know.
struct DaemonBoard {
  std::string id;       ///< What servers know the board by; the port where the board never answered.
  std::string key;      ///< Identity key, "fw:00:11:22:33:44:55".
  std::string name;     ///< As registered.
  std::string port;     ///< What to open.
  std::string state;    ///< "serving", "sampling", "connecting", "waiting", "lent".
  std::string type;     ///< Device type.
  std::string version;  ///< Of its firmware, "0.1.0"; empty for boards that do not tell.
  std::string lent_to;  ///< Owner of the lease.
};

struct BorrowRequest {
  std::string owner = "tml-flash";  ///< Shown to others; at most 64 printable characters.
  std::uint32_t seconds = 30;       ///< 1 to 3600. The lease renews itself at a third of it.
  bool force = false;               ///< Ends a sampling that is under way.
  pid_t pid = 0;                    ///< Watched by the daemon; 0 = this process.
};

class Lease {
 public:
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) noexcept;
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease();

  [[nodiscard]] const std::string& id() const;
  [[nodiscard]] const std::string& port() const;
  /// The daemon has forgotten it (it expired, or the daemon was restarted). The port stays usable while it is open: a
  /// daemon that finds it held waits.
  [[nodiscard]] bool lost() const;
  /// The daemon takes the port back at once. Errc::not_found when it was lost.
  [[nodiscard]] Awaitable<Result<void>> give_back();

 private:
  friend class DaemonClient;
  struct State;
  explicit Lease(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

class DaemonClient {
 public:
  /// $XDG_RUNTIME_DIR/tml/daemon.sock, without XDG_RUNTIME_DIR `state_dir`/daemon.sock (Paths::state_dir).
  [[nodiscard]] static std::filesystem::path socket_path(const Environment& environment,
                                                         const std::filesystem::path& state_dir);

  DaemonClient(boost::asio::any_io_executor executor, http::Client& http, std::filesystem::path socket);

  /// Errc::not_found when no daemon listens.
  [[nodiscard]] Awaitable<Result<std::vector<DaemonBoard>>> boards();
  /// `board`: its id, or its port's path. When this returns a lease the daemon has closed the port.
  [[nodiscard]] Awaitable<Result<Lease>> borrow(std::string board, BorrowRequest request);

 private:
  boost::asio::any_io_executor executor_;
  http::Client& http_;
  std::filesystem::path socket_;
};

}  // namespace tml::flashlink
