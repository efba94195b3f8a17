// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A board whose power can be cut at any flash operation, and the host that brings it to where it shall be: bootloader
// and update engine are the firmware's own, flash and clock are those of tests/support/flash_fakes.hpp.
//
// Operations are counted over the whole life of a board, resets included. After a cut every call returns at once and
// does nothing, as a processor without power does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firmware/boot/boot.hpp"
#include "tests/support/flash_fakes.hpp"

namespace tml::powercut {

using fw::flashtest::Fault;
using fw::flashtest::Object;
using wire::flash::kNoSlot;
using wire::flash::Status;

/// Nobody is connected.
class DeafUart final : public fw::hal::Uart {
 public:
  std::size_t read(std::span<std::uint8_t> /*into*/) override { return 0; }
  std::size_t write(std::span<const std::uint8_t> bytes) override { return bytes.size(); }
  [[nodiscard]] std::size_t tx_space() const override { return 4096; }
  [[nodiscard]] bool drained() const override { return true; }
  void set_baud(std::uint32_t /*bits_per_second*/) override {}
};

/// What survives without power.
struct Snapshot {
  fw::flashtest::NorFlash flash;
};

class Board {
 public:
  explicit Board(std::uint32_t seed);

  [[nodiscard]] Snapshot snapshot() const { return {bench_.flash}; }
  /// Powers up from there; the bootloader has not run yet. `cut`: see plan().
  void restore(const Snapshot& from, std::uint32_t seed);
  /// The operation with this number, counted from now on, is cut in this way.
  void plan(std::uint64_t operation, Fault::Kind kind);
  [[nodiscard]] bool powered() const { return bench_.flash.powered; }
  /// Operations since restore().
  [[nodiscard]] std::uint64_t operations() const { return before_reset_ + bench_.flash.operations; }
  /// Power comes back after a cut; nothing is planned.
  void power_up();

  /// Resets the processor and lets the bootloader decide. Where a watchdog or a fault would start it over, the caller
  /// does so.
  void boot();
  /// Of the last boot(): the slot that was started, kNoSlot in recovery.
  [[nodiscard]] std::uint8_t running() const { return running_; }
  /// Of what runs: the application's engine, or the bootloader's in recovery. Null before boot().
  [[nodiscard]] fw::update::Installer* engine() { return engine_.get(); }

  [[nodiscard]] fw::flashtest::Bench& bench() { return bench_; }
  [[nodiscard]] const wire::flash::BootRecord& record() const { return engine_->log().newest(); }
  [[nodiscard]] bool holds(std::uint8_t slot, const Object& object) const { return bench_.holds(slot, object); }

  // ---- the host: each brings the board nearer to its aim from any state, and does nothing where it is there ----
  /// Chunks that install() has sent since restore().
  [[nodiscard]] std::uint64_t chunks_sent() const { return chunks_sent_; }
  [[nodiscard]] Status install(const Object& object, std::uint8_t slot, std::uint8_t base_slot = kNoSlot);
  [[nodiscard]] Status select(std::uint8_t slot, bool permanent, std::uint8_t attempts = 3);
  [[nodiscard]] Status confirm(std::uint8_t lane);
  [[nodiscard]] Status revert(std::uint8_t lane);

 private:
  void arm();

  fw::flashtest::Bench bench_;
  fw::update::Parts parts_;
  DeafUart uart_;
  std::uint64_t before_reset_ = 0;
  std::uint64_t cut_at_ = Fault::kNever;
  Fault::Kind cut_kind_ = Fault::Kind::none;
  std::uint8_t running_ = kNoSlot;
  std::uint64_t chunks_sent_ = 0;
  std::unique_ptr<fw::boot::Boot> boot_;
  std::unique_ptr<fw::update::Installer> engine_;
};

/// What one scenario is. Everything is deterministic by seed.
struct Scenario {
  std::string name;
  /// Makes the board as it is before; no cut happens here.
  void (*prepare)(Board& board);
  /// The host's job, from power-up: brings the board to its end from any state that a cut may have left. Returns ok
  /// at the end; anything when the power failed.
  Status (*job)(Board& board);
  /// What must hold after power-up and boot, whatever was cut; empty = all is well.
  std::string (*holds)(Board& board);
  /// What must hold at the end in addition.
  std::string (*ended)(Board& board);
};

[[nodiscard]] const std::vector<Scenario>& scenarios();

}  // namespace tml::powercut
