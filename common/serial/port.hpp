// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A serial port, locked for one process, at any line rate.
//
// open() decides who owns the port by flock(LOCK_EX | LOCK_NB) on the device node, which every TML program honours and
// root cannot overlook; TIOCEXCL is set too, for programs that know only that. The line is raw: 8 data bits, no parity,
// 1 stop bit, no flow control (wire reference 1.1). Any rate is set by termios2 and BOTHER (ioctl_tty(2)); drivers
// choose the nearest they can, and actual_baud() tells which.
//
// Ownership: move-only; the destructor releases lock and descriptor. Blocking calls are none (open is O_NONBLOCK)
// except drain(), which waits for the line: keep it off the loop or use PortStream (port_stream.hpp). Not thread-safe.
#pragma once

#include <sys/types.h>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/file.hpp"

namespace tml::serial {

inline constexpr std::uint32_t kDefaultBaud = 115'200;  ///< Wire reference 1.1.

/// What a modem line shall be after opening. The kernel raises both on open by itself.
enum class LineState : std::uint8_t { leave, on, off };

struct PortOptions {
  std::uint32_t baud = kDefaultBaud;
  LineState dtr = LineState::leave;
  LineState rts = LineState::leave;
  bool low_latency = true;  ///< FTDI latency_timer = 1 ms (sysfs) and ASYNC_LOW_LATENCY; best effort, see PortReport.
};

/// What open() could and could not do beyond the necessary. For --verbose and `tml-daemon doctor`; nothing here is an
/// error.
struct PortReport {
  bool has_modem_lines = false;   ///< False for a pseudo-terminal.
  bool low_latency_flag = false;  ///< ASYNC_LOW_LATENCY is set.
  std::optional<int>
      ftdi_latency_ms;             ///< Value of latency_timer after opening; none where the driver has no such thing.
  std::vector<std::string> notes;  ///< One sentence each: "latency_timer stays at 16 ms: Permission denied".
};

/// A process that has a port open.
struct Holder {
  pid_t pid = 0;
  std::string name;       ///< Of /proc/PID/comm; empty when unreadable.
  bool has_lock = false;  ///< It holds the flock (from /proc/locks).
};

/// Who has a device node open, as far as this process may see.
struct Holders {
  std::vector<Holder> seen;
  bool complete = true;  ///< False when other users' processes exist whose descriptors may not be read.
  /// "held by minicom (pid 4711)", or "held by a process that only root may see"; empty when nobody is seen and the
  /// view is complete.
  [[nodiscard]] std::string describe() const;
};

/// Looks through /proc/*/fd for `path` (symlinks followed), without opening it. Blocking, some milliseconds: not on the
/// loop of a program that streams. Leaves out the calling process itself unless `include_self`.
[[nodiscard]] Holders find_holders(const std::string& path, bool include_self = false);

/// Whether `path` could be opened now, and if not why: the same checks as open() but without opening, since opening a
/// USB port pulls DTR and resets many boards. Success, or Errc::not_found, permission, busy (locked), usage (not a
/// terminal).
[[nodiscard]] Result<void> check_port(const std::string& path);

class Port {
 public:
  /// Errors, each with its checked cause:
  ///   not_found   no such path, or a dangling link (a virtual board that is not running)
  ///   permission  access(2) says no; names the group that owns the node and how to join it
  ///   busy        another process holds the lock or TIOCEXCL; names pid and program where they can be seen
  ///   usage       the path is no terminal, or the rate is 0
  ///   unplugged   the node is there but its device is gone (ENXIO, EIO, ENODEV)
  ///   io          anything else, with errno
  [[nodiscard]] static Result<Port> open(const std::string& path, const PortOptions& options = {});

  Port(Port&&) noexcept = default;
  Port& operator=(Port&&) noexcept = default;

  /// Changes the rate at once (TCSETS2 without waiting); call drain() first where output may be pending.
  [[nodiscard]] Result<void> set_baud(std::uint32_t bits_per_second);
  /// The rate asked for.
  [[nodiscard]] std::uint32_t baud() const { return baud_; }
  /// The rate that the driver reports back.
  [[nodiscard]] Result<std::uint32_t> actual_baud() const;

  /// Sets DTR and RTS. A port without them (pseudo-terminal) is fine: returns success and does nothing.
  [[nodiscard]] Result<void> set_lines(LineState dtr, LineState rts);
  /// Waits until everything written has left. Blocking.
  [[nodiscard]] Result<void> drain();
  /// Bytes in the driver's output queue (TIOCOUTQ).
  [[nodiscard]] Result<std::size_t> output_pending() const;
  /// Throws away unread input.
  [[nodiscard]] Result<void> discard_input();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const PortReport& report() const { return report_; }

 private:
  Port() = default;
  UniqueFd fd_;
  std::string path_;
  std::uint32_t baud_ = 0;
  PortReport report_;
};

/// Turns errno of a failed read, write or ioctl on an open port into an Error: a vanished device is Errc::unplugged.
[[nodiscard]] Error port_error(int error_number, std::string what, const std::string& path);

}  // namespace tml::serial
