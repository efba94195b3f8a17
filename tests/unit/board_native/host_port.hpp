// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>

#include "common/base/file.hpp"

namespace tml::fw::native::test {

/// Ends a wait for the kernel that should take microseconds.
constexpr int kDeadlineMs = 5000;

/// The host's end of a pty.
class HostPort {
 public:
  explicit HostPort(const std::string& path, speed_t rate = B115200)
      : fd_(::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) {
    set_rate(rate);
  }
  void set_rate(speed_t rate) const {
    termios settings{};
    ::tcgetattr(fd_.get(), &settings);
    ::cfmakeraw(&settings);
    ::cfsetspeed(&settings, rate);
    ::tcsetattr(fd_.get(), TCSANOW, &settings);
  }
  void write(std::string_view text) const { (void)!::write(fd_.get(), text.data(), text.size()); }
  /// Reads until `count` bytes are there; fewer only when the kernel does not deliver within the deadline.
  [[nodiscard]] std::string read(std::size_t count) const {
    std::string out;
    while (out.size() < count) {
      pollfd wait{fd_.get(), POLLIN, 0};
      if (::poll(&wait, 1, kDeadlineMs) <= 0) break;
      char buffer[4096];
      const ssize_t got = ::read(fd_.get(), buffer, std::min(sizeof buffer, count - out.size()));
      if (got <= 0) break;
      out.append(buffer, static_cast<std::size_t>(got));
    }
    return out;
  }
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
};

/// True when `condition` comes true: for what the kernel does on its own time.
template <class Condition>
bool wait_for(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kDeadlineMs);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

}  // namespace tml::fw::native::test
