// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/pty.hpp"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "common/serial/line_settings.hpp"
#include "common/serial/port.hpp"

namespace tml::serial {
namespace {

Result<void> make_link(const std::string& target, const std::string& link) {
  // Made beside and renamed over: a host that watches the path never sees it missing when a board restarts.
  const std::string temporary = link + "." + std::to_string(getpid()) + ".new";
  unlink(temporary.c_str());
  if (symlink(target.c_str(), temporary.c_str()) != 0) return fail_errno(errno, "cannot make link", temporary);
  if (rename(temporary.c_str(), link.c_str()) != 0) {
    const int error_number = errno;
    unlink(temporary.c_str());
    return fail_errno(error_number, "cannot make link", link);
  }
  return {};
}

/// Removes the link unless another board has taken it over meanwhile.
void remove_link(const std::string& link, const std::string& target) {
  std::array<char, 256> buffer{};
  const ssize_t size = readlink(link.c_str(), buffer.data(), buffer.size());
  if (size > 0 && std::string_view(buffer.data(), static_cast<std::size_t>(size)) == target) unlink(link.c_str());
}

}  // namespace

Result<Pty> Pty::create(const PtyOptions& options) {
  Pty pty;
  pty.master_ = UniqueFd(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (!pty.master_.valid()) return fail_errno(errno, "cannot make a pseudo-terminal", "/dev/ptmx");
  std::array<char, 128> name{};
  if (grantpt(pty.master()) != 0 || unlockpt(pty.master()) != 0 ||
      ptsname_r(pty.master(), name.data(), name.size()) != 0) {
    return fail_errno(errno, "cannot unlock a pseudo-terminal", "/dev/ptmx");
  }
  pty.path_ = name.data();
  pty.slave_ = UniqueFd(::open(pty.path_.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (!pty.slave_.valid()) return fail_errno(errno, "cannot open a pseudo-terminal", pty.path_);
  if (const int error_number = line_settings::set_raw(pty.slave_.get(), options.baud); error_number != 0) {
    return fail_errno(error_number, "cannot set up a pseudo-terminal", pty.path_);
  }
  if (!options.keep_open) pty.slave_.reset();
  if (!options.link.empty()) {
    if (auto made = make_link(pty.path_, options.link); !made) return pass(std::move(made.error()));
    pty.link_ = options.link;
  }
  return pty;
}

Pty::Pty(Pty&& other) noexcept
    : master_(std::move(other.master_)),
      slave_(std::move(other.slave_)),
      path_(std::exchange(other.path_, {})),
      link_(std::exchange(other.link_, {})) {}

Pty& Pty::operator=(Pty&& other) noexcept {
  if (this != &other) {
    unplug();
    master_ = std::move(other.master_);
    slave_ = std::move(other.slave_);
    path_ = std::exchange(other.path_, {});
    link_ = std::exchange(other.link_, {});
  }
  return *this;
}

Pty::~Pty() { unplug(); }

Result<std::uint32_t> Pty::line_rate() const {
  std::uint32_t rate = 0;
  if (const int error_number = line_settings::get_rate(master(), rate); error_number != 0) {
    return fail_errno(error_number, "cannot read the line rate", path_);
  }
  return rate;
}

bool Pty::host_attached() const {
  if (!master_.valid()) return false;
  if (!slave_.valid()) {
    pollfd state{master(), POLLIN, 0};
    return poll(&state, 1, 0) < 0 || (state.revents & POLLHUP) == 0;
  }
  return !find_holders(path_).seen.empty();
}

void Pty::unplug() {
  if (!link_.empty()) remove_link(link_, path_);
  link_.clear();
  slave_.reset();
  master_.reset();
  path_.clear();
}

}  // namespace tml::serial
