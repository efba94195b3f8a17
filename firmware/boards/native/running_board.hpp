// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A board as the loop of the process sees it, whatever runs its firmware: this process (board.hpp) or QEMU
// (qemu_board.hpp).
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"
#include "firmware/boards/native/pty.hpp"

namespace tml::fw::native {

/// One thread.
class RunningBoard {
 public:
  virtual ~RunningBoard() = default;

  /// Runs until nothing is left to do now. Returns the time (of the loop's clock) of the next call without an event on
  /// fd().
  virtual std::chrono::nanoseconds step() = 0;

  /// For poll(2): -1 = none at present.
  [[nodiscard]] virtual int fd() const = 0;
  [[nodiscard]] virtual short poll_events() const = 0;

  /// Set when the board has ended by itself and cannot go on; the loop ends with it.
  [[nodiscard]] virtual const Error* failure() const { return nullptr; }

  /// Sends the last event.
  virtual void report_end() = 0;
};

/// From here on SIGINT, SIGTERM and SIGHUP wait for run_boards(). Call before the first board: its link must not be
/// left behind.
void block_stop_signals();

/// Drives the boards until one of those signals comes, or one of them fails. Errc::io when the kernel refuses poll or
/// signalfd.
[[nodiscard]] Result<void> run_boards(std::vector<std::unique_ptr<RunningBoard>>& boards, const Clock& clock,
                                      OpenWatch& watch);

}  // namespace tml::fw::native
