// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// QEMU with the board's firmware: a child process that dies with this one, and the sockets on which its UARTs are.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>

#include "common/base/error.hpp"
#include "common/base/file.hpp"

namespace tml::fw::native {

struct QemuOptions {
  std::filesystem::path firmware;  ///< ELF of firmware/boards/mps2_an386.
  std::filesystem::path memory;    ///< Of psram_file.hpp.
  bool icount = false;             ///< One instruction per ns of virtual time, and the timers exact.
};

class QemuProcess {
 public:
  /// `lock` is kept open by QEMU too, so that what it protects is free only when both have ended. Errc::not_found when
  /// there is no qemu-system-arm or no such firmware.
  [[nodiscard]] static Result<QemuProcess> start(const QemuOptions& options, int lock);
  QemuProcess(QemuProcess&& other) noexcept;
  QemuProcess& operator=(QemuProcess&&) = delete;
  /// Kills it and waits: the memory file keeps what was written.
  ~QemuProcess();

  [[nodiscard]] int line() const { return line_.get(); }      ///< UART0, non-blocking.
  [[nodiscard]] int events() const { return events_.get(); }  ///< UART1, non-blocking.
  [[nodiscard]] int ended() const { return ended_.get(); }    ///< Readable once the process has ended.

  /// As the reset button: a full system reset.
  void reset() const;

  void kill();

 private:
  QemuProcess() = default;

  pid_t pid_ = -1;
  UniqueFd line_;
  UniqueFd events_;
  UniqueFd monitor_;
  UniqueFd ended_;
};

}  // namespace tml::fw::native
