// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Terminal settings through termios2 (ioctl_tty(2)): raw mode and any line rate. Private to common/serial: the kernel's
// header of termios2 and libc's <termios.h> cannot be included together, so it has a source file of its own.
//
// All functions return 0 or errno. Nothing waits.
#pragma once

#include <cstdint>

namespace tml::serial::line_settings {

/// 8N1, no flow control, no processing of any kind, input and output at `baud`; a read returns as soon as there is a
/// byte.
[[nodiscard]] int set_raw(int fd, std::uint32_t baud);
/// Input and output rate only.
[[nodiscard]] int set_rate(int fd, std::uint32_t baud);
/// Output rate as the driver reports it. On a pseudo-terminal's master: the slave's.
[[nodiscard]] int get_rate(int fd, std::uint32_t& baud);

}  // namespace tml::serial::line_settings
