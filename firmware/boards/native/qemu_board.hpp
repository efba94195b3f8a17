// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The board whose firmware runs on a Cortex-M4F in QEMU (firmware/boards/mps2_an386): this process gives it a pty, its
// sensors and its flash, with the options and events of the board that runs in this process.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firmware/boards/native/board.hpp"
#include "firmware/boards/native/psram_file.hpp"
#include "firmware/boards/native/qemu_process.hpp"
#include "firmware/boards/native/running_board.hpp"
#include "firmware/boards/native/window_feeder.hpp"

namespace tml::fw::native {

/// One thread. `clock`, `watch` and `events` outlive the board.
class QemuBoard final : public RunningBoard {
 public:
  /// How long the firmware may take to its first word: QEMU starts in 0.1 s, later on a machine that is busy.
  static constexpr std::chrono::seconds kBootTimeout{30};

  /// Opens the state and starts QEMU. The pty is plugged in, and `ready` sent, when the firmware has booted.
  [[nodiscard]] static Result<std::unique_ptr<QemuBoard>> create(const BoardOptions& options, const Clock& clock,
                                                                 OpenWatch& watch, Events& events);
  QemuBoard(const QemuBoard&) = delete;
  QemuBoard& operator=(const QemuBoard&) = delete;
  ~QemuBoard() override = default;

  std::chrono::nanoseconds step() override;
  [[nodiscard]] int fd() const override { return poll_.get(); }
  [[nodiscard]] short poll_events() const override;
  [[nodiscard]] const Error* failure() const override { return failure_ ? &*failure_ : nullptr; }
  void report_end() override;

 private:
  QemuBoard(const BoardOptions& options, const Clock& clock, OpenWatch& watch, Events& events, StateFolder state);
  [[nodiscard]] Result<void> add_sources();
  void write_window(std::span<const std::uint8_t, 32> entropy);
  [[nodiscard]] Result<void> plug(bool again);
  void run_faults(std::chrono::nanoseconds now);
  void read_events();
  void take_event(std::string_view line);
  void loader_runs(std::string_view told);
  void application_runs(std::string_view told);
  /// After a reset: the first word of bootloader or application.
  void running();
  bool to_guest();
  bool from_guest();
  std::chrono::nanoseconds report_changes(std::chrono::nanoseconds now);
  [[nodiscard]] Events::Line line() const { return {uart_.counters(), uart_.tx_faults(), uart_.rx_faults()}; }
  void update_poll();

  BoardOptions options_;
  const Clock& clock_;
  Events& events_;
  StateFolder state_;
  UniqueFd lock_;
  std::string id_;
  std::string pty_path_;
  std::optional<PtyLink> link_;
  std::unique_ptr<PsramFile> memory_;
  std::unique_ptr<WindowFeeder> feeder_;
  std::optional<QemuProcess> qemu_;
  UniqueFd poll_;  // epoll: of the three below
  PtyUart uart_;
  FaultSchedule schedule_;
  std::chrono::nanoseconds started_;
  std::chrono::nanoseconds replug_at_ = FaultSchedule::kNever;
  std::chrono::nanoseconds report_at_{0};
  std::uint64_t reported_losses_ = 0;
  bool ready_ = false;
  bool reset_by_fault_ = false;
  bool loaded_ = false;  // the bootloader has told of this reset
  std::string_view boot_reason_;
  std::string loader_version_;
  std::vector<std::uint8_t> pending_;  // from the host, for the guest
  std::string told_;                   // an event that has not come whole
  std::optional<Error> failure_;
};

/// The board that the options ask for: in QEMU when they name an image, else in this process.
[[nodiscard]] Result<std::unique_ptr<RunningBoard>> make_board(const BoardOptions& options, const Clock& clock,
                                                               OpenWatch& watch, Events& events);

}  // namespace tml::fw::native
