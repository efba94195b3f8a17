// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/boot_log.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "common/wire/crc.hpp"

namespace tml::fw::update {
namespace {

using wire::flash::BootEvent;
using wire::flash::BootRecord;
using wire::flash::kBootRecordBytes;
using wire::flash::kBootRecordCommit;
using wire::flash::kLanes;
using wire::flash::kNoSlot;

constexpr std::size_t kCrcOffset = 52;
constexpr std::size_t kAttemptsOffset = 56;
static_assert(offsetof(BootRecord, crc) == kCrcOffset && offsetof(TagRecord, crc) == kCrcOffset);
static_assert(offsetof(BootRecord, attempts) == kAttemptsOffset);
static_assert(std::endian::native == std::endian::little);

/// A record may be torn at the slot it was meant for; then the next one is tried.
constexpr int kTries = 3;

std::uint32_t crc_of(std::span<const std::uint8_t> raw) {
  return wire::Crc32c::of(std::as_bytes(raw.first(kCrcOffset)));
}
template <class Record>
bool take(std::span<const std::uint8_t, kBootRecordBytes> raw, Record& into) {
  Record record;
  const auto magic = record.magic;
  std::memcpy(&record, raw.data(), sizeof record);
  if (record.magic != magic || record.commit != kBootRecordCommit || record.crc != crc_of(raw)) return false;
  into = record;
  return true;
}
template <class Record>
std::array<std::uint8_t, kBootRecordBytes> seal(Record& record) {
  std::array<std::uint8_t, kBootRecordBytes> raw;
  record.commit = kBootRecordCommit;
  std::memcpy(raw.data(), &record, sizeof record);
  record.crc = crc_of(raw);
  std::memcpy(raw.data(), &record, sizeof record);
  return raw;
}
constexpr std::uint8_t low_bits(unsigned count) { return static_cast<std::uint8_t>((1U << count) - 1U); }
std::uint8_t bits_left(const BootRecord& record, std::size_t lane) {
  return static_cast<std::uint8_t>(record.attempts[lane] & low_bits(record.granted[lane]));
}
// A plain loop: the library's algorithms are unrolled, which the bootloader's flash has no room for.
bool is_blank(std::span<const std::uint8_t> raw) {
  for (const std::uint8_t byte : raw) {
    if (byte != 0xFF) return false;
  }
  return true;
}
/// A record that was written by hand may claim anything.
void bound(BootRecord& record) {
  for (auto& granted : record.granted) granted = std::min<std::uint8_t>(granted, kMaxAttempts);
  for (std::uint8_t n = 0; n < kLanes; ++n) {
    wire::flash::Lane& lane = record.lanes[n];
    if (lane.trial != kNoSlot && wire::flash::lane_of(lane.trial) != n) lane.trial = kNoSlot;
    if (lane.active != kNoSlot && wire::flash::lane_of(lane.active) != n) lane.active = wire::flash::kLaneEmpty;
  }
}

}  // namespace

std::uint32_t BootLog::at(std::size_t sector, std::size_t slot) const {
  return region_.offset + static_cast<std::uint32_t>(sector * hal::kFlashSectorBytes + slot * kBootRecordBytes);
}

bool BootLog::read_slot(std::size_t sector, std::size_t slot, Raw& raw) {
  // A read that fails once would hide the newest decision behind the one before.
  return flash_.read(at(sector, slot), raw) || flash_.read(at(sector, slot), raw);
}

void BootLog::mount() {
  found_ = false;
  sector_ = 1;  // so that the first record of all goes to sector 0
  free_ = kSlots;
  last_sequence_ = 0;
  newest_ = {};
  tagged_ = false;
  tag_ = {};
  Raw raw;
  for (std::size_t sector = 0; sector < 2; ++sector) {
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
      BootRecord record;
      if (!read_slot(sector, slot, raw) || !take(raw, record)) continue;
      last_sequence_ = std::max(last_sequence_, record.sequence);
      if (found_ && record.sequence <= newest_.sequence) continue;
      found_ = true;
      bound(record);
      newest_ = record;
      sector_ = sector;
      slot_ = slot;
    }
  }
  if (!found_) return;
  // What was torn in the current sector takes its slot: behind the last one that is not blank is free.
  free_ = slot_ + 1;
  std::uint32_t tag_sequence = 0;
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    if (!read_slot(sector_, slot, raw)) continue;
    if (!is_blank(raw)) free_ = std::max(free_, slot + 1);
    TagRecord record;
    if (!take(raw, record) || (tagged_ && record.sequence <= tag_sequence)) continue;
    last_sequence_ = std::max(last_sequence_, record.sequence);
    tag_sequence = record.sequence;
    tagged_ = true;
    tag_ = record.tag;
  }
}

std::uint8_t BootLog::attempts_left(std::uint8_t lane) const {
  if (lane >= kLanes || newest_.lanes[lane].trial == kNoSlot) return 0;
  return static_cast<std::uint8_t>(std::popcount(bits_left(newest_, lane)));
}

std::uint8_t BootLog::attempts_granted(std::uint8_t lane) const {
  return lane < kLanes && newest_.lanes[lane].trial != kNoSlot ? newest_.granted[lane] : std::uint8_t{0};
}

bool BootLog::switch_sector() {
  const std::size_t other = 1 - sector_;
  if (!flash_.erase(at(other, 0)) && !flash_.erase(at(other, 0))) return false;
  sector_ = other;
  free_ = 0;
  if (!tagged_) return true;
  for (int i = 0; i < kTries; ++i) {
    if (write_tag(tag_)) return true;
  }
  return false;
}

bool BootLog::write(const Raw& raw) {
  const std::uint32_t offset = at(sector_, free_);
  ++free_;
  return flash_.program(offset, raw);
}

bool BootLog::write_tag(const std::array<char, wire::flash::kTagBytes>& tag) {
  if (free_ >= kSlots) return false;
  TagRecord record;
  record.sequence = ++last_sequence_;
  record.tag = tag;
  return write(seal(record));
}

bool BootLog::append(const BootRecord& next, std::uint8_t fresh_lane, std::uint8_t attempts) {
  BootRecord record = next;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::uint8_t trial = next.lanes[lane].trial;
    record.granted[lane] = 0;
    record.attempts[lane] = 0xFF;
    if (trial == kNoSlot) continue;
    if (lane == fresh_lane) {
      record.granted[lane] = std::clamp<std::uint8_t>(attempts, 1, kMaxAttempts);
      record.attempts[lane] = low_bits(record.granted[lane]);
    } else if (trial == newest_.lanes[lane].trial) {
      record.granted[lane] = newest_.granted[lane];
      record.attempts[lane] = bits_left(newest_, lane);
    }
  }
  record.attempts[kLanes] = 0xFF;
  for (int i = 0; i < kTries; ++i) {
    if ((!found_ || free_ >= kSlots) && !switch_sector()) break;
    record.sequence = ++last_sequence_;
    if (!write(seal(record))) {
      // In a sector that was just begun there is no newest record yet: `found_` is about the other one.
      continue;
    }
    found_ = true;
    slot_ = free_ - 1;
    newest_ = record;
    return true;
  }
  mount();
  return false;
}

bool BootLog::use_attempts(std::uint8_t lanes) {
  if (!found_) return false;
  std::array<std::uint8_t, kLanes + 1> next = newest_.attempts;
  std::array<int, kLanes> expected{};
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::uint8_t left = bits_left(newest_, lane);
    expected[lane] = std::popcount(left);
    if ((lanes >> lane & 1U) == 0) continue;
    if (left == 0 || newest_.lanes[lane].trial == kNoSlot) return false;
    next[lane] = static_cast<std::uint8_t>(next[lane] & ~std::bit_floor(left));
    --expected[lane];
  }
  // Whether the driver calls it a success or not, what can be read counts.
  (void)flash_.program(at(sector_, slot_) + kAttemptsOffset, next);
  Raw raw;
  BootRecord record;
  if (!read_slot(sector_, slot_, raw) || !take(raw, record) || record.sequence != newest_.sequence) {
    mount();
    return false;
  }
  newest_.attempts = record.attempts;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    if (std::popcount(bits_left(newest_, lane)) > expected[lane]) return false;
  }
  return true;
}

bool BootLog::set_tag(const std::array<char, wire::flash::kTagBytes>& tag) {
  tag_ = tag;
  tagged_ = true;
  bool written = !found_ || free_ >= kSlots;  // else append() has to switch, and carries it over
  for (int i = 0; i < kTries && !written && free_ < kSlots; ++i) written = write_tag(tag);
  if (!written && free_ < kSlots) {
    mount();
    return false;
  }
  BootRecord next = newest_;
  next.event = BootEvent::tagged;
  next.slot = kNoSlot;
  return append(next);
}

template <class Accept>
bool BootLog::walk(Accept accept) {
  if (!found_) return false;
  if (accept(newest_)) return true;
  // Slots are used in ascending order, so backwards through the current sector and then the other one is by age.
  std::uint32_t before = newest_.sequence;
  std::size_t sector = sector_;
  std::size_t slot = slot_;
  for (;;) {
    if (slot == 0) {
      if (sector != sector_) return false;
      sector = 1 - sector;
      slot = kSlots;
    }
    --slot;
    Raw raw;
    BootRecord record;
    if (!read_slot(sector, slot, raw) || !take(raw, record) || record.sequence >= before) continue;
    before = record.sequence;
    bound(record);
    if (accept(record)) return true;
  }
}

bool BootLog::record(std::size_t age, BootRecord& into) {
  return walk([&](const BootRecord& record) {
    if (age-- > 0) return false;
    into = record;
    return true;
  });
}

bool BootLog::last_decision(std::uint8_t lane, BootRecord& into) {
  return walk([&](const BootRecord& record) {
    const bool decision = record.event == BootEvent::selected || record.event == BootEvent::confirmed ||
                          record.event == BootEvent::reverted || record.event == BootEvent::attempts_exhausted ||
                          record.event == BootEvent::verify_failed;
    if (!decision || wire::flash::lane_of(record.slot) != lane) return false;
    into = record;
    return true;
  });
}

}  // namespace tml::fw::update
