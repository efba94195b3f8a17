// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The board's serial line on a pty: rate model, wrong-rate garbage, overruns and byte faults between the application
// and the host.
//
// With a rate model the line never waits: what is due while the host has 4095 bytes unread is lost and counted, and
// when host and board are set to rates more than 3 % apart every byte is replaced by a random one, both ways. Without
// one (rate 0) the line is a USB CDC port: no loss, the application waits for the host, rates mean nothing. While no
// host has the port open, what the board says is gone, as on a real cable.
//
// Between the board's UART and the host there may be a USB bridge with a latency timer (set_latency): what it has
// received goes on in packets of 62 bytes, a shorter rest when it has waited that long (FTDI AN232B-04: 64 bytes per
// packet, two of them status).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "common/base/clock.hpp"
#include "common/base/random.hpp"
#include "firmware/boards/native/fault.hpp"
#include "firmware/boards/native/line_timer.hpp"
#include "firmware/boards/native/pty.hpp"
#include "firmware/hal/uart.hpp"

namespace tml::fw::native {

struct LineCounters {
  std::uint64_t tx_bytes = 0;    ///< Sent by the board, before faults.
  std::uint64_t rx_bytes = 0;    ///< Received by the board, after faults.
  std::uint64_t tx_overrun = 0;  ///< Lost because the host had not read.
  std::uint64_t rx_overrun = 0;  ///< Lost because the application had not read.
  std::uint64_t tx_unheard = 0;  ///< Sent while no host had the port open.
  std::uint64_t garbled = 0;     ///< Replaced because of different rates, both directions.
};

/// One thread.
class PtyUart final : public hal::Uart {
 public:
  static constexpr std::size_t kTxFifoBytes = 4096;
  static constexpr std::size_t kRxFifoBytes = 4096;
  static constexpr std::size_t kBridgePacketBytes = 62;
  static constexpr double kRateTolerance =
      0.03;  ///< Half a bit in 10, less sampling error: what an 8N1 receiver bears.

  /// `rate` 0 = no model. `watch` and `clock` outlive the object.
  PtyUart(std::uint32_t rate, const FaultPlan& faults, std::uint64_t seed, const Clock& clock, OpenWatch& watch);
  ~PtyUart();
  PtyUart(const PtyUart&) = delete;
  PtyUart& operator=(const PtyUart&) = delete;

  /// Bytes to the host wait in a bridge; 0 = there is none.
  void set_latency(std::chrono::nanoseconds latency) { latency_ = latency; }

  /// `taken_over`: from the process before this one, so that a host may have it open already.
  void plug(Pty pty, bool taken_over = false);
  void unplug();
  [[nodiscard]] bool plugged() const { return pty_.has_value(); }
  /// A host has the port open, as far as the watch knows.
  [[nodiscard]] bool host_open() const { return pty_.has_value() && watch_.open(watch_id_); }
  /// How many times a host has come, as of the last service(). A close that leaves the port open counts as one that
  /// left and one that came: the kernel does not tell it from a visitor beside another host.
  [[nodiscard]] std::uint64_t host_visits() const { return host_visits_; }

  /// A reset board has its start-up rate and empty buffers.
  void reset();
  /// The firmware has stood still until then (a flash operation, flash_model.hpp): what it writes from now on it writes
  /// at that time.
  void hold_until(std::chrono::nanoseconds time) { held_until_ = time; }
  /// Hands everything that is off the wire to the host now, without regard to the bridge's timer.
  void flush_bridge();

  /// What is counted over the life of the board, for the process that follows this one.
  struct Account {
    LineCounters counters;
    ByteFaultCounts tx_faults;
    ByteFaultCounts rx_faults;
    std::uint64_t tx_fault_bytes = 0;  ///< That the injectors have seen.
    std::uint64_t rx_fault_bytes = 0;
    std::uint64_t host_visits = 0;
  };
  [[nodiscard]] Account account() const;
  void restore(const Account& account);
  [[nodiscard]] const Pty* pty() const { return pty_ ? &*pty_ : nullptr; }

  /// As reset(), and what the host has not read is gone too.
  void restart_line();

  /// Moves bytes between host, line and application as far as `now` allows. True when anything moved.
  bool service(std::chrono::nanoseconds now);

  /// When service() has work again without an event on the descriptor; Clock-time, nanoseconds::max() = never.
  [[nodiscard]] std::chrono::nanoseconds next_due(std::chrono::nanoseconds now) const;

  /// For poll(2): the master (-1 while unplugged) and the events that matter.
  [[nodiscard]] int fd() const { return pty_ ? pty_->master() : -1; }
  [[nodiscard]] short poll_events() const;

  [[nodiscard]] const LineCounters& counters() const { return counters_; }
  [[nodiscard]] const ByteFaultCounts& tx_faults() const { return tx_faults_.counts(); }
  [[nodiscard]] const ByteFaultCounts& rx_faults() const { return rx_faults_.counts(); }

  std::size_t read(std::span<std::uint8_t> into) override;
  std::size_t write(std::span<const std::uint8_t> bytes) override;
  [[nodiscard]] std::size_t tx_space() const override { return kTxFifoBytes - tx_.size() - held_.size(); }
  [[nodiscard]] bool drained() const override { return tx_.empty() && held_.empty() && out_.empty(); }
  void set_baud(std::uint32_t bits_per_second) override;
  [[nodiscard]] std::uint32_t line_rate() const override { return tx_timer_.rate(); }

 private:
  struct Incoming {
    std::uint8_t byte;
    bool garbled;  // written by the host at another rate than the board listens at
  };
  [[nodiscard]] bool modelled() const { return start_rate_ != 0; }
  [[nodiscard]] bool rates_differ() const;
  std::uint8_t noise();
  void probe_hosts();
  void watch_hosts(std::chrono::nanoseconds now);
  bool collect_from_host();
  bool deliver_to_app(std::chrono::nanoseconds now);
  bool send_to_host(std::chrono::nanoseconds now);
  bool flush_out();
  bool pass_bridge(std::chrono::nanoseconds now);
  bool take_held(std::chrono::nanoseconds now);

  std::uint32_t start_rate_;
  const Clock& clock_;
  OpenWatch& watch_;
  OpenWatch::Id watch_id_ = -1;
  bool host_was_open_ = false;
  std::chrono::nanoseconds recheck_at_ = std::chrono::nanoseconds::max();
  std::uint64_t host_visits_ = 0;
  std::optional<Pty> pty_;
  LineTimer tx_timer_;
  LineTimer rx_timer_;
  std::deque<std::uint8_t> tx_;    // written by the application, not yet on the wire
  std::deque<std::uint8_t> held_;  // as tx_, written while the firmware stands still
  std::chrono::nanoseconds held_until_{0};
  std::vector<std::uint8_t> bridge_;  // off the wire, in the bridge
  std::chrono::nanoseconds latency_{0};
  std::chrono::nanoseconds bridge_due_{0};  // of what is in bridge_
  std::vector<std::uint8_t> out_;           // for the pty; waits there only without a model
  std::deque<Incoming> line_in_;            // written by the host, not yet through the wire
  std::deque<std::uint8_t> rx_;             // received, not yet read by the application
  ByteFaultInjector tx_faults_;
  ByteFaultInjector rx_faults_;
  SeededRandom garbage_;
  LineCounters counters_;
};

}  // namespace tml::fw::native
