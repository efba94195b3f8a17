// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A board on the flash link at the end of a port: opened, greeted, and found again after a cable was pulled or the
// board restarted. When no board answers it is looked what does, so that the error can name it. One executor, one
// coroutine at a time; access and random outlive it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/base/random.hpp"
#include "common/base/sync.hpp"
#include "common/flashlink/port_access.hpp"
#include "common/flashlink/session.hpp"

namespace tml::flashlink {

struct ConnectionOptions {
  std::uint32_t start_baud = 115'200;  ///< At which the board starts (wire reference 1.1).
  std::uint32_t baud = 0;              ///< Highest rate of transfers; 0: the board's highest.
  Millis patience{6000};               ///< For a first answer. A board left at another rate needs kSessionTimeoutMs.
  Millis replug_wait{20'000};          ///< For a port that went.
};

class Connection {
 public:
  static constexpr Millis kBootQuiet{300};  ///< A verified start of 256 KiB takes 0.1 s on an M4F (docs/flash-link.md).

  Connection(PortAccess& access, Random& random, const ConnectionOptions& options);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Opens the port and greets the board. Errors: the port's; Errc::timeout when nothing answers, Errc::garbage when
  /// something else does (named as far as it tells: an application without the flash link, an unknown protocol).
  [[nodiscard]] serial::Awaitable<Result<void>> open();
  /// After the session was lost (Errc::unplugged, Errc::timeout): waits for the port where it is gone, and greets the
  /// board again. Errc::timeout when it does not come back in time. Only the board that open() greeted counts, by its
  /// id: another one on the same port is left alone.
  [[nodiscard]] serial::Awaitable<Result<void>> recover();
  /// Restarts the board and greets what comes back within `patience`; the port may vanish meanwhile. A bootloader that
  /// a HELLO finds on its way stays: towards the application nothing is said for kBootQuiet, and when the bootloader
  /// answers all the same it is sent on again, three times with longer silence.
  [[nodiscard]] serial::Awaitable<Result<void>> reboot(wire::flash::Reboot where, Millis patience);
  /// Greets the board when it answers within `patience`; the port may vanish meanwhile. Errc::timeout else.
  [[nodiscard]] serial::Awaitable<Result<void>> await_board(Millis patience);
  /// To the rate of transfers. The rate that holds; 0: the line has none.
  [[nodiscard]] serial::Awaitable<Result<std::uint32_t>> speed_up();

  /// Back to the rate at which the board starts, so that the next program finds it there. Best effort.
  [[nodiscard]] serial::Awaitable<void> slow_down();

  /// Valid after open() and until an error.
  [[nodiscard]] Session& session() { return *session_; }
  [[nodiscard]] bool connected() const { return session_ != nullptr; }
  [[nodiscard]] const std::string& name() const { return access_.name(); }

  /// Ends what is under way with Errc::interrupted, and everything later; from the executor.
  void stop();
  [[nodiscard]] bool stopped() const { return stopped_; }
  /// A few last words after stop(): the board is sent back to its application where it has one. Best effort, a second
  /// at most.
  [[nodiscard]] serial::Awaitable<void> send_home();

 private:
  [[nodiscard]] serial::Awaitable<Result<void>> greet(Millis patience);
  [[nodiscard]] serial::Awaitable<Error> explain(Error error);

  PortAccess& access_;
  Random& random_;
  ConnectionOptions options_;
  std::unique_ptr<serial::ByteStream> stream_;
  std::unique_ptr<Session> session_;
  std::optional<std::string> board_;  // id of the one that was greeted first
  std::string stranger_;              // id of another one that answered since
  std::uint32_t last_baud_ = 0;
  bool stopped_ = false;
  Pause* pause_ = nullptr;  // under way
};

/// What something said in answer to AT+CONFIG?: "an AT application (type TML_BOARD, version 0.1.0)"; empty when nothing
/// can be told.
[[nodiscard]] std::string describe_at_answer(std::string_view text);

}  // namespace tml::flashlink
