// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The boot-control log: what is active, on trial and confirmed, as a sequence of records of which the newest valid one
// is the truth (common/wire/boot_record.hpp; docs/image-format.md, "Boot log").
//
// Two sectors of 64 slots. The *current* sector is the one that holds the newest valid control record; the other one is
// history and is believed in nothing but that. A full current sector: the other one is erased whatever it seems to
// hold, the tag is carried over, then the control record makes it the current one. A cut at any instant therefore
// leaves the newest record or, during an append, the one before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/boot_record.hpp"
#include "common/wire/flash_link.hpp"
#include "firmware/hal/flash.hpp"
#include "firmware/update/timed_flash.hpp"

namespace tml::fw::update {

inline constexpr std::size_t kMaxAttempts = 8;

/// The name that a fleet gives the board, in the same sectors: a slot like a control record's, with another magic.
struct TagRecord {
  std::array<std::uint8_t, 4> magic{'T', 'M', 'L', 'G'};
  std::uint32_t sequence = 0;  ///< Counted together with the control records.
  std::array<char, wire::flash::kTagBytes> tag{};
  std::array<std::uint8_t, 12> reserved{};
  std::uint32_t crc = 0;  ///< CRC-32C of all before.
  std::array<std::uint8_t, 4> unused{0xFF, 0xFF, 0xFF, 0xFF};
  std::uint32_t commit = wire::flash::kBootRecordCommit;
};
static_assert(sizeof(TagRecord) == wire::flash::kBootRecordBytes);

/// One thread; nobody else writes to the region while it exists. Each call is bounded: at most one erase and a few
/// programs of 64 bytes, mount and record() at most 128 reads of 64.
class BootLog {
 public:
  /// `region`: two sectors.
  BootLog(TimedFlash& flash, hal::FlashRegion region) : flash_(flash), region_(region) {}

  void mount();
  /// No control record was ever written (or none survived): newest() is all defaults.
  [[nodiscard]] bool empty() const { return !found_; }
  [[nodiscard]] const wire::flash::BootRecord& newest() const { return newest_; }
  /// Starts that the trial of this lane has left; 0 without a trial.
  [[nodiscard]] std::uint8_t attempts_left(std::uint8_t lane) const;
  /// Starts that it was given.
  [[nodiscard]] std::uint8_t attempts_granted(std::uint8_t lane) const;

  /// Appends a control record: `next` with sequence, attempts, CRC and commit filled in here. A lane whose trial is the
  /// same as in newest() keeps what it has left, unless `fresh_lane` names it: that one gets `attempts` (1 to
  /// kMaxAttempts). True: it is in flash, reads back, and is newest(). False: the flash refused; newest() is what a
  /// new mount finds.
  [[nodiscard]] bool append(const wire::flash::BootRecord& next, std::uint8_t fresh_lane = wire::flash::kNoSlot,
                            std::uint8_t attempts = 0);
  /// Clears one bit of each lane of `lanes` (bit n: lane n) in one operation. True only if every one of them reads
  /// back lower by one.
  [[nodiscard]] bool use_attempts(std::uint8_t lanes);

  /// Zeros: none was given.
  [[nodiscard]] const std::array<char, wire::flash::kTagBytes>& tag() const { return tag_; }
  /// A tag record, then a control record of event `tagged`. A cut between them leaves the new tag.
  [[nodiscard]] bool set_tag(const std::array<char, wire::flash::kTagBytes>& tag);

  /// Control records by age, 0 = newest. False behind the last one that survives.
  [[nodiscard]] bool record(std::size_t age, wire::flash::BootRecord& into);
  /// The newest record that decided about this lane: selected, confirmed, reverted or a failure. False: none survives.
  [[nodiscard]] bool last_decision(std::uint8_t lane, wire::flash::BootRecord& into);

 private:
  using Raw = std::array<std::uint8_t, wire::flash::kBootRecordBytes>;
  static constexpr std::size_t kSlots = hal::kFlashSectorBytes / wire::flash::kBootRecordBytes;

  [[nodiscard]] std::uint32_t at(std::size_t sector, std::size_t slot) const;
  [[nodiscard]] bool read_slot(std::size_t sector, std::size_t slot, Raw& raw);
  /// Begins the other sector: erases it and carries the tag over. No control record is in it yet.
  [[nodiscard]] bool switch_sector();
  [[nodiscard]] bool write(const Raw& raw);
  /// From the newest control record back until `accept` is true.
  template <class Accept>
  bool walk(Accept accept);
  [[nodiscard]] bool write_tag(const std::array<char, wire::flash::kTagBytes>& tag);

  TimedFlash& flash_;
  hal::FlashRegion region_;
  bool found_ = false;
  std::size_t sector_ = 0;           ///< The current one.
  std::size_t slot_ = 0;             ///< Of the newest control record.
  std::size_t free_ = kSlots;        ///< First slot of the current sector that was never written.
  std::uint32_t last_sequence_ = 0;  ///< Highest that was seen or used.
  wire::flash::BootRecord newest_{};
  bool tagged_ = false;
  std::array<char, wire::flash::kTagBytes> tag_{};
};

}  // namespace tml::fw::update
