// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/slot_check.hpp"

#include <algorithm>
#include <array>

#include "common/wire/flash_frame.hpp"

namespace tml::fw::update {

using wire::flash::kLaneEmpty;
using wire::flash::kLanes;
using wire::flash::kNoSlot;
using wire::flash::Status;

Status check_trailer(TimedFlash& flash, const Parts& parts, const KeyRing& keys, const BootLog& log, std::uint8_t slot,
                     Trailer& trailer, Verdict& verdict) {
  verdict.fail();
  trailer.sealed = false;
  if (slot >= parts.slots.size()) return Status::bad_argument;
  read_trailer(flash, parts.slots[slot], trailer);
  if (!trailer.sealed) return Status::not_ready;
  if (!trailer.staged) return Status::not_complete;
  if (const Status status = fits_slot(trailer.manifest, slot, parts.slots); status != Status::ok) return status;
  if (const Status status = fits_board(trailer.manifest, parts.product); status != Status::ok) return status;
  Verdict origin;
  if (const Status status = keys.check_origin(trailer.manifest, origin); status != Status::ok) return status;
  if (trailer.manifest.epoch < log.newest().floors[floor_index(trailer.manifest.object)]) return Status::rollback;
  if (!origin.passed()) return Status::bad_signature;
  verdict = origin;
  return Status::ok;
}

void PayloadCheck::start(hal::FlashRegion slot, const wire::flash::Manifest& manifest) {
  offset_ = slot.offset;
  bytes_ = manifest.payload_bytes;
  done_ = 0;
  expected_ = manifest.payload_hash;
  sha_.reset();
  verdict_.fail();
}

bool PayloadCheck::step(TimedFlash& flash) {
  const std::uint32_t piece = std::min<std::uint32_t>(bytes_ - done_, wire::flash::kChunkBytes);
  if (!hash_flash(flash, offset_ + done_, piece, sha_)) {
    verdict_.fail();
    return false;
  }
  done_ += piece;
  if (done_ < bytes_) return true;
  verdict_ = same_hash(sha_.finish(), expected_);
  return false;
}

std::uint8_t PayloadCheck::percent() const {
  // No division of 64 bits: the bootloader has no other use for its 700 bytes.
  static_assert(wire::flash::kMaxChunks * wire::flash::kChunkBytes <= UINT32_MAX / 100);
  return bytes_ == 0 ? std::uint8_t{100} : static_cast<std::uint8_t>(done_ * 100 / bytes_);
}

std::uint8_t factory_slot(TimedFlash& flash, std::span<const hal::FlashRegion> slots, std::uint8_t lane) {
  for (std::uint8_t bank = 0; bank < 2 && lane < kLanes; ++bank) {
    const std::uint8_t slot = wire::flash::slot_of(lane, bank);
    if (slot >= slots.size() || slots[slot].size_bytes == 0) continue;
    Trailer trailer;
    read_trailer(flash, slots[slot], trailer);
    if (trailer.factory) return slot;
    if (trailer.sealed || lane == 0) continue;
    // A factory loads models without signature: the package alone, from the start of the slot.
    constexpr std::array<std::uint8_t, 4> kPackage{'T', 'M', 'L', 'M'};
    std::array<std::uint8_t, 4> magic{};
    if (flash.read(slots[slot].offset, magic) && magic == kPackage) return slot;
  }
  return kNoSlot;
}

std::uint8_t active_slot(TimedFlash& flash, std::span<const hal::FlashRegion> slots, const BootLog& log,
                         std::uint8_t lane) {
  if (lane >= kLanes) return kNoSlot;
  const std::uint8_t active = log.newest().lanes[lane].active;
  if (active == kLaneEmpty) return kNoSlot;
  return active != kNoSlot ? active : factory_slot(flash, slots, lane);
}

std::uint8_t running_slot(TimedFlash& flash, std::span<const hal::FlashRegion> slots, const BootLog& log,
                          std::uint8_t lane) {
  if (lane >= kLanes) return kNoSlot;
  const std::uint8_t trial = log.newest().lanes[lane].trial;
  return trial != kNoSlot ? trial : active_slot(flash, slots, log, lane);
}

}  // namespace tml::fw::update
