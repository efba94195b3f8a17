// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/pty.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

namespace tml::fw::native {
namespace {

void make_raw(int fd, bool set_rate) {
  termios settings{};
  if (::tcgetattr(fd, &settings) != 0) return;
  ::cfmakeraw(&settings);
  settings.c_cflag |= CLOCAL | CREAD;
  if (set_rate) ::cfsetspeed(&settings, B115200);
  ::tcsetattr(fd, TCSANOW, &settings);
}

}  // namespace

Result<Pty> Pty::open() {
  Pty out;
  out.master_ = UniqueFd(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!out.master_.valid()) return fail_errno(errno, "cannot make a pseudo terminal", "/dev/ptmx");
  std::array<char, 128> name{};
  if (::grantpt(out.master_.get()) != 0 || ::unlockpt(out.master_.get()) != 0 ||
      ::ptsname_r(out.master_.get(), name.data(), name.size()) != 0) {
    return fail_errno(errno, "cannot unlock the pseudo terminal", "/dev/ptmx");
  }
  out.slave_path_ = name.data();
  out.slave_ = UniqueFd(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!out.slave_.valid()) return fail_errno(errno, "cannot open the pseudo terminal", out.slave_path_);
  make_raw(out.slave_.get(), true);
  return out;
}

Result<Pty> Pty::adopt(UniqueFd master, UniqueFd slave) {
  Pty out;
  std::array<char, 128> name{};
  if (!slave.valid() || ::ptsname_r(master.get(), name.data(), name.size()) != 0) {
    return fail_errno(errno, "cannot take over the pseudo terminal");
  }
  out.master_ = std::move(master);
  out.slave_ = std::move(slave);
  out.slave_path_ = name.data();
  return out;
}

std::size_t Pty::read(std::span<std::uint8_t> into) {
  const ssize_t got = ::read(master_.get(), into.data(), into.size());
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

std::size_t Pty::write(std::span<const std::uint8_t> bytes) {
  const ssize_t put = ::write(master_.get(), bytes.data(), bytes.size());
  return put > 0 ? static_cast<std::size_t>(put) : 0;
}

std::size_t Pty::unread() const {
  int count = 0;
  return ::ioctl(slave_.get(), FIONREAD, &count) == 0 && count > 0 ? static_cast<std::size_t>(count) : 0;
}

bool Pty::probe_hosts() {
  // An exclusive lock would keep this process out too when it reopens.
  int exclusive = 0;
  if (::ioctl(slave_.get(), TIOCGEXCL, &exclusive) == 0 && exclusive != 0) ::ioctl(slave_.get(), TIOCNXCL);
  slave_.reset();
  pollfd master{master_.get(), 0, 0};
  const bool hung_up = ::poll(&master, 1, 0) == 1 && (master.revents & POLLHUP) != 0;
  slave_ = UniqueFd(::open(slave_path_.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  if (!hung_up && exclusive != 0) ::ioctl(slave_.get(), TIOCEXCL);
  return !hung_up;
}

void Pty::reset_slave() {
  ::ioctl(slave_.get(), TIOCNXCL);
  flush();
  make_raw(slave_.get(), false);
}

void Pty::flush() {
  // The master's output flush empties the kernel's buffers between the two ends, the slave's input flush the line
  // discipline.
  ::tcflush(master_.get(), TCOFLUSH);
  ::tcflush(slave_.get(), TCIFLUSH);
}

Result<PtyLink> PtyLink::create(const std::filesystem::path& path, const std::string& target) {
  std::error_code code;
  const auto there = std::filesystem::symlink_status(path, code);
  if (std::filesystem::exists(there) && !std::filesystem::is_symlink(there)) {
    return fail(Errc::usage, "--link: something that is no symbolic link is in the way", path.string());
  }
  const std::filesystem::path fresh = path.string() + "." + std::to_string(::getpid()) + ".new";
  ::unlink(fresh.c_str());
  if (::symlink(target.c_str(), fresh.c_str()) != 0) return fail_errno(errno, "cannot make the link", path.string());
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    const int error_number = errno;
    ::unlink(fresh.c_str());
    return fail_errno(error_number, "cannot put the link in place", path.string());
  }
  PtyLink out;
  out.path_ = path;
  out.target_ = target;
  return out;
}

PtyLink PtyLink::adopt(const std::filesystem::path& path, const std::string& target) {
  PtyLink out;
  out.path_ = path;
  out.target_ = target;
  return out;
}

PtyLink::PtyLink(PtyLink&& other) noexcept : path_(std::move(other.path_)), target_(std::move(other.target_)) {
  other.path_.clear();
}

PtyLink& PtyLink::operator=(PtyLink&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::move(other.path_);
    target_ = std::move(other.target_);
    other.path_.clear();
  }
  return *this;
}

void PtyLink::remove() {
  if (path_.empty()) return;
  std::error_code code;
  if (std::filesystem::read_symlink(path_, code) == target_) ::unlink(path_.c_str());
  path_.clear();
}

OpenWatch::OpenWatch() : inotify_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

OpenWatch::Id OpenWatch::add(const std::string& slave_path, bool open) {
  if (!inotify_.valid()) return -1;
  const Id id = ::inotify_add_watch(inotify_.get(), slave_path.c_str(), IN_OPEN | IN_CLOSE);
  if (id >= 0) states_[id] = State{open, false};
  return id;
}

void OpenWatch::remove(Id id) {
  if (id < 0) return;
  ::inotify_rm_watch(inotify_.get(), id);
  states_.erase(id);
}

void OpenWatch::update() {
  alignas(inotify_event) std::array<char, 4096> buffer{};
  while (inotify_.valid()) {
    const ssize_t got = ::read(inotify_.get(), buffer.data(), buffer.size());
    if (got <= 0) return;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(got);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      at += sizeof event + event.len;
      const bool overflow = (event.mask & IN_Q_OVERFLOW) != 0;
      for (auto& [id, state] : states_) {
        if (!overflow && id != event.wd) continue;
        // Lost events are told like a close: whoever is concerned probes.
        if ((event.mask & IN_OPEN) != 0) state.open = true;
        if (overflow || (event.mask & IN_CLOSE) != 0) state.closed = true;
      }
    }
  }
}

bool OpenWatch::open(Id id) const {
  const auto found = states_.find(id);
  return found == states_.end() || found->second.open;
}

void OpenWatch::mark_open(Id id) {
  const auto found = states_.find(id);
  if (found != states_.end()) found->second.open = true;
}

bool OpenWatch::take_close(Id id) {
  const auto found = states_.find(id);
  return found != states_.end() && std::exchange(found->second.closed, false);
}

}  // namespace tml::fw::native
