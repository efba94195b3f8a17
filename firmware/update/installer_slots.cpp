// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What is asked about slots and done to them, key sets and the board's name.
#include <algorithm>
#include <cstring>

#include "firmware/update/installer.hpp"

namespace tml::fw::update {

using wire::flash::BootEvent;
using wire::flash::BootRecord;
using wire::flash::kHashBytes;
using wire::flash::kLanes;
using wire::flash::kManifestBytes;
using wire::flash::kNoSlot;
using wire::flash::Manifest;
using wire::flash::ObjectClass;
using wire::flash::SlotInfo;
using wire::flash::Status;

Progress Installer::erase(std::uint8_t slot) {
  if (working()) return {true, Status::busy, 0};
  if (!exists(slot)) return {true, Status::bad_argument, 0};
  if (in_use(slot)) return {true, Status::slot_active, 0};
  if (transfer_.open && transfer_.request.slot == slot) abort();
  subject_ = slot;
  step_ = 0;
  work_ = Work::erase;
  return going_on(0, 100);
}

bool Installer::void_slot(std::uint8_t slot) {
  // What an interrupted erase left behind does not read back as zeros: enough that it is no trailer.
  Trailer trailer;
  if (!kill_trailer(flash_, region(slot))) read_trailer(flash_, region(slot), trailer);
  // Nor may what is left pass for a model that a factory loaded without a trailer: those run unsigned.
  constexpr std::array<std::uint8_t, 4> kNoPackage{};
  const std::uint8_t lane = wire::flash::lane_of(slot);
  if (lane != 0 && lane != kNoSlot) (void)flash_.program(region(slot).offset, kNoPackage);
  return !trailer.sealed;
}

Progress Installer::step_erase() {
  // The mark, then the trailer, then the payload: at no time a trailer speaks for what is not there.
  const hal::FlashRegion slot = region(subject_);
  const std::uint32_t sectors = slot.size_bytes / hal::kFlashSectorBytes;
  const std::uint32_t now = step_++;
  if (now == 0) {
    return void_slot(subject_) ? going_on(0, sectors) : finish(Status::program_failed);
  }
  if (!flash_.erase(slot.offset + slot.size_bytes - now * hal::kFlashSectorBytes)) return finish(Status::erase_failed);
  if (now < sectors) return going_on(now, sectors);
  return record(next_record(BootEvent::erased, subject_));
}

void Installer::describe(std::uint8_t slot, SlotInfo& info) {
  info = {};
  info.slot = slot;
  if (!exists(slot)) return;
  info.capacity = payload_capacity(region(slot));
  Trailer trailer;
  read_trailer(flash_, region(slot), trailer);
  if (!trailer.sealed) {
    const std::uint8_t lane = wire::flash::lane_of(slot);
    if (lane != kNoSlot && lane != 0 && active_slot(flash_, parts_.slots, log_, lane) == slot)
      info.state = SlotInfo::State::partial;
    return;
  }
  const Manifest& manifest = trailer.manifest;
  info.state = trailer.staged ? SlotInfo::State::complete : SlotInfo::State::partial;
  info.version = manifest.version;
  info.epoch = manifest.epoch;
  info.payload_bytes = manifest.payload_bytes;
  info.chunk_count = static_cast<std::uint16_t>(manifest.chunk_count);
  info.key_id = manifest.key_id;
  info.payload_hash = manifest.payload_hash;
  info.payload_name = manifest.name;
}

Progress Installer::verify(std::uint8_t slot, SlotInfo& info) {
  if (working()) return {true, Status::busy, 0};
  describe(slot, info);
  if (!exists(slot)) return {true, Status::bad_argument, 0};
  if (info.state != SlotInfo::State::complete) return {};
  Trailer trailer;
  read_trailer(flash_, region(slot), trailer);
  Verdict verdict;
  if (!trailer.sealed || keys_.check_origin(trailer.manifest, verdict) != Status::ok || !verdict.passed()) {
    info.state = SlotInfo::State::damaged;
    return {};
  }
  subject_ = slot;
  info_ = &info;
  check_.start(region(slot), trailer.manifest);
  work_ = Work::verify;
  return going_on(0, 100);
}

Progress Installer::step_verify() {
  if (check_.step(flash_)) return {false, Status::ok, check_.percent()};
  if (!check_.verdict().passed()) {
    info_->state = SlotInfo::State::damaged;
    distrust(subject_);
  }
  return finish(Status::ok);
}

std::size_t Installer::hashes(std::uint8_t slot, std::uint16_t first, std::span<std::byte> out) {
  if (!exists(slot)) return 0;
  Trailer trailer;
  read_trailer(flash_, region(slot), trailer);
  if (!trailer.sealed || first >= trailer.manifest.chunk_count) return 0;
  const std::size_t count = std::min<std::size_t>(out.size() / kHashBytes, trailer.manifest.chunk_count - first);
  for (std::size_t n = 0; n < count; ++n) {
    Hash entry;
    if (!read_entry(flash_, region(slot), first + static_cast<std::uint32_t>(n), entry)) return n;
    std::memcpy(out.data() + n * kHashBytes, entry.data(), kHashBytes);
  }
  return count;
}

bool Installer::keys_in_use(const wire::flash::KeySet& set) const {
  for (std::uint8_t lane = 0; lane < kLanes; ++lane) {
    for (const std::uint8_t slot : {active_slot(flash_, parts_.slots, log_, lane), log_.newest().lanes[lane].trial}) {
      if (!exists(slot)) continue;
      Trailer trailer;
      read_trailer(flash_, region(slot), trailer);
      if (trailer.sealed && !allows(set, trailer.manifest.key_id, trailer.manifest.object)) return true;
    }
  }
  return false;
}

Status Installer::check_keys(const Manifest& manifest, const wire::flash::KeySet& set,
                             std::span<const std::uint8_t> payload) {
  if (const Status status = fits_board(manifest, parts_.product); status != Status::ok) return status;
  if (const Status status = keys_.may_follow(manifest, set); status != Status::ok) return status;
  if (!limit_.admit(parts_.clock.wire_us())) return Status::locked;
  if (!keys_.authentic(manifest, payload).passed()) {
    limit_.failed();
    return Status::bad_signature;
  }
  return keys_in_use(set) ? Status::key_in_use : Status::ok;
}

Progress Installer::set_keys(std::span<const std::byte> manifest_bytes, std::span<const std::byte> payload) {
  if (working() || transfer_.open) return {true, Status::busy, 0};
  const auto manifest = wire::flash::parse_manifest(manifest_bytes);
  const auto set = wire::flash::parse_key_set(payload);
  if (!manifest || !set) return {true, Status::bad_manifest, 0};
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size());
  if (const Status status = check_keys(*manifest, *set, bytes); status != Status::ok) return {true, status, 0};
  transfer_.staged = false;
  transfer_.manifest = *manifest;
  new_keys_ = *set;
  step_ = 0;
  work_ = Work::set_keys;
  return going_on(0, 3);
}

Progress Installer::step_set_keys() {
  // The sector that is written is not the one in force; the record makes it so. Until then it is nothing.
  const std::uint32_t offset = keys_.spare_sector();
  const std::uint32_t version = transfer_.manifest.keyset_version;
  const std::uint32_t now = step_++;
  if (now == 0) return flash_.erase(offset) ? going_on(1, 3) : finish(Status::erase_failed);
  if (now == 1) {
    const auto* manifest = reinterpret_cast<const std::uint8_t*>(&transfer_.manifest);
    const auto* keys = reinterpret_cast<const std::uint8_t*>(new_keys_.keys.data());
    const bool written =
        flash_.program(offset, {manifest, kManifestBytes}) &&
        flash_.program(offset + static_cast<std::uint32_t>(kManifestBytes), {keys, transfer_.manifest.payload_bytes});
    return written ? going_on(2, 3) : finish(Status::program_failed);
  }
  BootRecord next = next_record(BootEvent::keys_changed, kNoSlot);
  next.keyset_version = version;
  const Progress done = record(next);
  keys_.mount(log_.newest().keyset_version);
  return done;
}

Progress Installer::set_tag(std::span<const char> tag) {
  if (working()) return {true, Status::busy, 0};
  std::array<char, wire::flash::kTagBytes> padded{};
  if (tag.size() > padded.size()) return {true, Status::bad_argument, 0};
  bool ended = false;
  for (std::size_t i = 0; i < tag.size(); ++i) {
    const char c = tag[i];
    ended = ended || c == '\0';
    if (ended ? c != '\0' : c < 0x20 || c >= 0x7F) return {true, Status::bad_argument, 0};
    padded[i] = c;
  }
  if (padded == log_.tag()) return {};
  return finish(log_.set_tag(padded) ? Status::ok : Status::program_failed);
}

}  // namespace tml::fw::update
