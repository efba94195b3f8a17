// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A file of its own: <asm/termbits.h>, which has termios2, does not live with <termios.h>.
#include <asm/termbits.h>
#include <sys/ioctl.h>

#include "firmware/boards/native/pty.hpp"

namespace tml::fw::native {

std::uint32_t Pty::host_rate() const {
  termios2 settings{};
  // The kernel fills c_ospeed for standard rates too (drivers/tty/tty_baudrate.c).
  if (::ioctl(master_.get(), TCGETS2, &settings) != 0) return 0;
  return settings.c_ospeed;
}

}  // namespace tml::fw::native
