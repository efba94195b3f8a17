// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/line_settings.hpp"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <cerrno>

// <sys/ioctl.h> pulls in libc's struct winsize and friends but not struct termios; the two may stand together.
#include <sys/ioctl.h>

namespace tml::serial::line_settings {
namespace {

void put_rate(termios2& settings, std::uint32_t baud) {
  // An input rate of BOTHER shifted by IBSHIFT with its own c_ispeed keeps both directions equal on every driver.
  settings.c_cflag &= ~static_cast<tcflag_t>(CBAUD | (CBAUD << IBSHIFT));
  settings.c_cflag |= static_cast<tcflag_t>(BOTHER | (BOTHER << IBSHIFT));
  settings.c_ispeed = baud;
  settings.c_ospeed = baud;
}

}  // namespace

int set_raw(int fd, std::uint32_t baud) {
  termios2 settings{};
  if (ioctl(fd, TCGETS2, &settings) != 0) return errno;
  settings.c_iflag = 0;
  settings.c_oflag = 0;
  settings.c_lflag = 0;
  settings.c_cflag = CS8 | CREAD | CLOCAL;
  settings.c_cc[VMIN] = 1;
  settings.c_cc[VTIME] = 0;
  put_rate(settings, baud);
  return ioctl(fd, TCSETS2, &settings) != 0 ? errno : 0;
}

int set_rate(int fd, std::uint32_t baud) {
  termios2 settings{};
  if (ioctl(fd, TCGETS2, &settings) != 0) return errno;
  put_rate(settings, baud);
  return ioctl(fd, TCSETS2, &settings) != 0 ? errno : 0;
}

int get_rate(int fd, std::uint32_t& baud) {
  termios2 settings{};
  if (ioctl(fd, TCGETS2, &settings) != 0) return errno;
  baud = settings.c_ospeed;
  return 0;
}

}  // namespace tml::serial::line_settings
