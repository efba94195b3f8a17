// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One entry of the boot-control log, as it lies in flash and as Op::log sends it. docs/image-format.md, "Boot log".
//
// The log is two sectors of 64 records each; the newest valid control record is the truth. A record is programmed in
// one operation and is valid when magic, CRC and commit are right, so that a torn one is as if it had never been. When
// a sector is full the other one is erased, whatever it seems to hold, and the next record goes there: at every instant
// one sector holds the newest record. `attempts` is outside the CRC: a start of a trial clears one bit of it;
// only its lowest `granted` bits count.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/wire/flash_link.hpp"

namespace tml::wire::flash {

inline constexpr std::size_t kBootRecordBytes = 64;
inline constexpr std::uint32_t kBootRecordCommit = 0x54494D43;  ///< "CMIT"

/// Why a record was written. Numbers are stored.
enum class BootEvent : std::uint8_t {
  factory = 0,
  selected = 1,  ///< A trial begins (or, permanent, has ended well at once).
  confirmed = 2,
  reverted = 3,            ///< By the host.
  attempts_exhausted = 4,  ///< The trial was started as often as it may and never confirmed.
  verify_failed = 5,       ///< What was on trial, or active, is not what its manifest says.
  erased = 6,
  keys_changed = 7,
  tagged = 8,
};
[[nodiscard]] std::string_view text(BootEvent event);

/// Lane::active when something ran on trial, failed, and nothing ran before it: nothing is to be started.
inline constexpr std::uint8_t kLaneEmpty = 0xFE;

struct Lane {
  std::uint8_t active = kNoSlot;  ///< Slot id; kNoSlot: never decided, see docs/image-format.md, "Factory state".
  std::uint8_t trial = kNoSlot;   ///< Slot id; it runs instead of the active one while attempts are left.
};

struct BootRecord {
  std::array<std::uint8_t, 4> magic{'T', 'M', 'L', 'B'};
  std::uint32_t sequence = 0;  ///< Counts up by one per record.
  BootEvent event = BootEvent::factory;
  std::uint8_t slot = kNoSlot;  ///< That the event is about.
  std::array<Lane, kLanes> lanes{};
  std::array<std::uint32_t, 3> floors{};       ///< Security epochs: application, model, data.
  std::uint32_t keyset_version = 0;            ///< 0: the one that is built in.
  std::array<std::uint8_t, kLanes> granted{};  ///< Starts that the lane's trial was given, 0 without one.
  std::array<std::uint8_t, 17> reserved{};
  std::uint32_t crc = 0;                                                  ///< CRC-32C of all before.
  std::array<std::uint8_t, kLanes + 1> attempts{0xFF, 0xFF, 0xFF, 0xFF};  ///< Per lane one set bit per start left.
  std::uint32_t commit = kBootRecordCommit;
};
static_assert(sizeof(BootRecord) == kBootRecordBytes);

}  // namespace tml::wire::flash
