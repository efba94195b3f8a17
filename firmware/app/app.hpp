// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The board's application: AT server, sampling, configuration and sample stores, on hardware given by firmware/hal.
//
//     tml::fw::app::App app({.uart = uart, .clock = clock, .flash = flash, ...});   // static storage, no heap
//     app.start();                                                                // mounts the stores, prints banner
//     and prompt for (;;) { sleep_until(app.poll()); }                                       // docs/porting.md
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/wire/line_editor.hpp"
#include "firmware/app/background.hpp"
#include "firmware/app/board.hpp"
#include "firmware/app/commands.hpp"
#include "firmware/app/job.hpp"

namespace tml::fw::app {

/// When the application wants to run again. It always wants to when a byte was received.
struct Wake {
  static constexpr std::uint64_t kNever = UINT64_MAX;
  std::uint64_t delay_us = kNever;  ///< Wire time from the return of poll(); 0 = at once; kNever = only for an event.
  bool on_transmit = false;         ///< Also when the UART can take more bytes, or has drained.
};

/// Not copyable; meant for static storage (kAppBytes). One thread.
class App {
 public:
  /// From the CR of a command to the first byte of its answer: hosts start to listen late (wire reference 1.16 asks for
  /// >= 1 ms). Wire time.
  static constexpr std::uint64_t kAnswerDelayUs = 2000;
  /// Idle time before dead flash sectors are erased ahead of the next capture. Wire time.
  static constexpr std::uint64_t kIdleUs = 2'000'000;

  explicit App(const Board& board);
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  /// Mounts both stores (one bounded scan: a few small reads per flash sector) and queues banner and prompt. Once,
  /// before poll().
  void start();

  /// One bounded step: takes received bytes, runs the job at hand a little (at most one flash erase or a few page
  /// programs), fills the transmitter. Returns when to call again; calling earlier or later is harmless, later only
  /// costs speed (or readings, when later than what the sensor buffers).
  Wake poll();

  /// True after a reset was asked for and System::reset() (AT+RESET) or BootPort::reset() (AT+BOOTMODE, REBOOT over the
  /// flash link) was called and returned: destroy this App and make a new one.
  [[nodiscard]] bool finished() const { return mode_ == Mode::finished; }

  /// The stores, for tests and for a board's own diagnostics.
  [[nodiscard]] const Services& services() const { return machine_.services; }

 private:
  enum class Mode : std::uint8_t {
    idle,       ///< Bytes go to the line editor.
    answering,  ///< A line is complete; its answer is due at answer_at_us_.
    job,        ///< A job runs; `b` stops it.
    resetting,  ///< Waiting for the last byte to leave.
    finished
  };
  /// Most that one byte makes the editor print: a redraw of its longest line.
  static constexpr std::size_t kEchoRoom = 1024;

  /// Bytes of text that one step takes: a host that never pauses does not keep us here.
  static constexpr std::size_t kTextPerStep = 64;

  void restart();
  void take_input();
  /// True when there may be more to read.
  bool watch_for_stop();
  Step idle_step();
  Step answer();
  void end_answer();

  Machine machine_;
  wire::LineEditor<> editor_;
  Mode mode_ = Mode::idle;
  Job* job_ = nullptr;
  bool overlong_ = false;
  bool skip_cr_ = false;  ///< The CR behind a `b` that stopped a job belongs to it.
  bool erased_ahead_ = false;
  std::uint64_t answer_at_us_ = 0;
  std::uint64_t idle_since_us_ = 0;
  Background background_;
};

/// The RAM budget of the application on an MCU, all buffers included (docs/firmware.md lists them).
inline constexpr std::size_t kAppBytes = 48 * 1024;
static_assert(sizeof(App) <= kAppBytes);

}  // namespace tml::fw::app
