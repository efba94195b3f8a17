// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// An answer that takes longer than one step: a capture, a read-out, a listing. One job runs at a time, on the
// application's thread.
#pragma once

#include <cstdint>

namespace tml::fw::app {

/// What a job wants next. Times are wire time.
struct Step {
  static constexpr std::uint64_t kNever = UINT64_MAX;
  bool done = false;           ///< The answer is complete and ends with a line end; the prompt comes next.
  std::uint64_t delay_us = 0;  ///< Call again after this time; kNever: only when the transmitter moved.
  bool on_transmit = false;    ///< Call again when the transmitter can take more, or has drained.

  [[nodiscard]] static Step finished() { return {true, 0, false}; }
  [[nodiscard]] static Step again() { return {}; }
  [[nodiscard]] static Step after(std::uint64_t us) { return {false, us, false}; }
  [[nodiscard]] static Step when_sent() { return {false, kNever, true}; }
};

class Job {
 public:
  /// Does a bounded amount of work: at most one flash erase, or a few page programs or reads.
  virtual Step step() = 0;
  /// The host sent `b`: the job winds up and finishes within its next steps.
  virtual void stop() = 0;
  /// True while the job takes what the host sends: bytes go to receive(), and a `b` among them stops nothing.
  [[nodiscard]] virtual bool listens() const { return false; }
  /// One byte of it; asked again for each.
  virtual void receive(std::uint8_t byte) { (void)byte; }

 protected:
  ~Job() = default;
};

}  // namespace tml::fw::app
