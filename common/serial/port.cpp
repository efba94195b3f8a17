// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/port.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/serial.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "common/serial/line_settings.hpp"

namespace tml::serial {
namespace {

std::string reason(int error_number) { return std::generic_category().message(error_number); }

tl::unexpected<Error> fail_with(Errc code, int error_number, std::string what, std::string where, std::string hint) {
  return pass(Error{code, std::move(what), std::move(where), std::move(hint), {error_number, std::generic_category()}});
}

std::string canonical(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), &std::free);
  return real ? real.get() : path;
}

std::string group_name(gid_t gid) {
  std::array<char, 4096> buffer{};
  group entry{};
  group* found = nullptr;
  if (getgrgid_r(gid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) return found->gr_name;
  return std::to_string(gid);
}

/// major 136 to 143: UNIX98 pseudo-terminal slaves (Linux Documentation/admin-guide/devices.txt).
bool is_pty_slave(const struct stat& info) { return major(info.st_rdev) >= 136 && major(info.st_rdev) <= 143; }

tl::unexpected<Error> permission_error(const std::string& path, const struct stat& info, int error_number) {
  const std::string group = group_name(info.st_gid);
  const bool group_may = (info.st_mode & (S_IRGRP | S_IWGRP)) == (S_IRGRP | S_IWGRP);
  std::string hint;
  if (group_may && info.st_gid != 0) {
    hint = "The port belongs to the group " + group + ": run `sudo usermod -aG " + group + " $USER`, then log in again";
  } else if (info.st_uid == 0) {
    hint = "Only root may open it; a udev rule with GROUP=\"dialout\", MODE=\"0660\" opens it to a group";
  } else {
    hint = "It belongs to the user with id " + std::to_string(info.st_uid) + " and is closed to others";
  }
  return fail_with(Errc::permission, error_number, "cannot open port", path, std::move(hint));
}

tl::unexpected<Error> busy_error(const std::string& path, int error_number) {
  const Holders holders = find_holders(path);
  std::string by = holders.describe();
  if (by.empty()) by = "locked, but by no process that can be seen (another container, or it has just ended)";
  return fail_with(Errc::busy, error_number, "port is " + by, path,
                   "Close that program, or choose another port with --port");
}

/// All that can be told without opening the node.
Result<struct stat> inspect(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    const int error_number = errno;
    if (error_number == ENOENT || error_number == ENOTDIR) {
      struct stat link {};
      const bool dangling = lstat(path.c_str(), &link) == 0 && S_ISLNK(link.st_mode);
      return fail_with(Errc::not_found, error_number, dangling ? "port's link leads nowhere" : "no such port", path,
                       dangling ? "The board that made the link is not running or not plugged in"
                                : "`tml-daemon ports` lists what is there");
    }
    if (error_number == EACCES) {
      return fail_with(Errc::permission, error_number, "cannot reach port", path,
                       "A folder on the way may not be entered");
    }
    return fail_with(Errc::io, error_number, "cannot inspect port", path, {});
  }
  if (!S_ISCHR(info.st_mode))
    return fail(Errc::usage, "not a serial port: not a character device", path, "Name a device such as /dev/ttyACM0");
  if (faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK, AT_EACCESS) != 0) {
    const int error_number = errno;
    if (error_number == EACCES || error_number == EPERM) return permission_error(path, info, error_number);
    return pass(port_error(error_number, "cannot access port", path));
  }
  return info;
}

void set_low_latency(int fd, const std::string& path, PortReport& report) {
  const std::string node = canonical(path);
  const std::string name = node.substr(node.rfind('/') + 1);
  const std::string timer = "/sys/class/tty/" + name + "/device/latency_timer";
  if (access(timer.c_str(), F_OK) == 0) {
    // FTDI chips hold a short packet back for 16 ms unless told otherwise (FT232R data sheet, latency timer).
    bool written = false;
    {
      std::ofstream out(timer);
      out << 1;
      written = static_cast<bool>(out.flush());
    }
    std::ifstream in(timer);
    int value = 0;
    if (in >> value) report.ftdi_latency_ms = value;
    if (!written) report.notes.push_back(timer + " cannot be written; answers may come up to 16 ms late");
  }
  serial_struct settings{};
  if (ioctl(fd, TIOCGSERIAL, &settings) != 0) {
    if (errno != ENOTTY && errno != EINVAL) report.notes.push_back("TIOCGSERIAL: " + reason(errno));
    return;
  }
  settings.flags |= static_cast<int>(ASYNC_LOW_LATENCY);
  if (ioctl(fd, TIOCSSERIAL, &settings) == 0) {
    report.low_latency_flag = true;
  } else if (errno != ENOTTY && errno != EINVAL) {
    report.notes.push_back("ASYNC_LOW_LATENCY: " + reason(errno));
  }
}

}  // namespace

Error port_error(int error_number, std::string what, const std::string& path) {
  Errc code = Errc::io;
  std::string hint;
  switch (error_number) {
    case ENXIO:
    case ENODEV:
    case EIO:
    case EPIPE:
    case ENOENT:
    case EBADF:
      code = Errc::unplugged;
      hint = "The device behind the port has gone; plug it in again";
      break;
    case EACCES:
    case EPERM:
      code = Errc::permission;
      break;
    case EBUSY:
      code = Errc::busy;
      break;
    default:
      break;
  }
  return Error{code, std::move(what), path, std::move(hint), {error_number, std::generic_category()}};
}

Result<void> check_port(const std::string& path) {
  auto info = inspect(path);
  if (!info) return pass(std::move(info.error()));
  const Holders holders = find_holders(path);
  for (const Holder& holder : holders.seen) {
    if (holder.has_lock) return busy_error(path, EWOULDBLOCK);
  }
  return {};
}

Result<Port> Port::open(const std::string& path, const PortOptions& options) {
  if (options.baud == 0) return fail(Errc::usage, "line rate must be above 0", "baud");
  auto info = inspect(path);
  if (!info) return pass(std::move(info.error()));

  Port port;
  port.path_ = path;
  port.fd_ = UniqueFd(::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (!port.fd_.valid()) {
    const int error_number = errno;
    if (error_number == EBUSY) return busy_error(path, error_number);
    if (error_number == EACCES || error_number == EPERM) return permission_error(path, *info, error_number);
    return pass(port_error(error_number, "cannot open port", path));
  }
  if (isatty(port.fd()) == 0) {
    const int error_number = errno;
    if (error_number == EIO) return pass(port_error(error_number, "cannot open port", path));
    return fail_with(Errc::usage, error_number, "not a serial port: not a terminal", path,
                     "Name a device such as /dev/ttyACM0");
  }
  if (flock(port.fd(), LOCK_EX | LOCK_NB) != 0) {
    const int error_number = errno;
    if (error_number == EWOULDBLOCK) return busy_error(path, error_number);
    return pass(port_error(error_number, "cannot lock port", path));
  }
  // A pseudo-terminal whose provider keeps the slave open would keep the exclusive flag after this process was killed,
  // and shut everybody but root out for good; there the flock alone decides.
  if (!is_pty_slave(*info) && ioctl(port.fd(), TIOCEXCL) != 0)
    port.report_.notes.push_back("TIOCEXCL: " + reason(errno));

  if (const int error_number = line_settings::set_raw(port.fd(), options.baud); error_number != 0) {
    return pass(port_error(error_number, "cannot set the line to " + std::to_string(options.baud) + " baud", path));
  }
  port.baud_ = options.baud;
  int lines = 0;
  port.report_.has_modem_lines = ioctl(port.fd(), TIOCMGET, &lines) == 0;
  if (auto set = port.set_lines(options.dtr, options.rts); !set) return pass(std::move(set.error()));
  if (options.low_latency) set_low_latency(port.fd(), path, port.report_);
  return port;
}

Result<void> Port::set_baud(std::uint32_t bits_per_second) {
  if (bits_per_second == 0) return fail(Errc::usage, "line rate must be above 0", "baud");
  if (const int error_number = line_settings::set_rate(fd(), bits_per_second); error_number != 0) {
    return pass(port_error(error_number, "cannot set the line to " + std::to_string(bits_per_second) + " baud", path_));
  }
  baud_ = bits_per_second;
  return {};
}

Result<std::uint32_t> Port::actual_baud() const {
  std::uint32_t rate = 0;
  if (const int error_number = line_settings::get_rate(fd(), rate); error_number != 0) {
    return pass(port_error(error_number, "cannot read the line rate", path_));
  }
  return rate;
}

Result<void> Port::set_lines(LineState dtr, LineState rts) {
  int raise = 0;
  int lower = 0;
  const auto sort = [&raise, &lower](LineState wanted, int bit) {
    if (wanted == LineState::on) raise |= bit;
    if (wanted == LineState::off) lower |= bit;
  };
  sort(dtr, TIOCM_DTR);
  sort(rts, TIOCM_RTS);
  for (const auto& [request, bits] : {std::pair{TIOCMBIS, raise}, std::pair{TIOCMBIC, lower}}) {
    if (bits == 0) continue;
    int value = bits;
    if (ioctl(fd(), static_cast<unsigned long>(request), &value) == 0) continue;
    if (errno == ENOTTY || errno == EINVAL) return {};
    return pass(port_error(errno, "cannot set DTR or RTS", path_));
  }
  return {};
}

Result<void> Port::drain() {
  while (tcdrain(fd()) != 0) {
    if (errno != EINTR) return pass(port_error(errno, "cannot drain port", path_));
  }
  return {};
}

Result<std::size_t> Port::output_pending() const {
  int pending = 0;
  if (ioctl(fd(), TIOCOUTQ, &pending) != 0) {
    if (errno == ENOTTY || errno == EINVAL) return 0;
    return pass(port_error(errno, "cannot read the output queue", path_));
  }
  return static_cast<std::size_t>(pending < 0 ? 0 : pending);
}

Result<void> Port::discard_input() {
  if (tcflush(fd(), TCIFLUSH) != 0) return pass(port_error(errno, "cannot discard input", path_));
  return {};
}

}  // namespace tml::serial
