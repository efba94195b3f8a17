// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// From a manifest to a slot that takes chunks.
#include <algorithm>
#include <cstring>

#include "firmware/update/installer.hpp"

namespace tml::fw::update {

using wire::flash::Begin;
using wire::flash::Begun;
using wire::flash::kHashBytes;
using wire::flash::kLanes;
using wire::flash::kNoSlot;
using wire::flash::Manifest;
using wire::flash::ObjectClass;
using wire::flash::Status;

Status Installer::admit(const Manifest& manifest) {
  Status why = Status::ok;
  const PublicKey* key = keys_.usable(manifest.key_id, manifest.object, why);
  if (key == nullptr) return why;
  if (!limit_.admit(parts_.clock.wire_us())) return Status::locked;
  const Verdict verdict = check_signature(manifest, *key);
  if (verdict.passed()) return Status::ok;
  limit_.failed();
  return Status::bad_signature;
}

Status Installer::check_begin(const Begin& request, const Manifest& manifest) {
  if (manifest.object == ObjectClass::keyset) return Status::bad_manifest;
  if (const Status status = fits_slot(manifest, request.slot, parts_.slots); status != Status::ok) return status;
  if (request.base_slot != kNoSlot && (!exists(request.base_slot) || request.base_slot == request.slot))
    return Status::bad_argument;
  if (list_bytes(manifest.chunk_count) > memory_.window.size()) return Status::no_space;
  if (const Status status = fits_board(manifest, parts_.product); status != Status::ok) return status;
  if (const Status status = admit(manifest); status != Status::ok) return status;
  if (manifest.epoch < log_.newest().floors[floor_index(manifest.object)]) return Status::rollback;
  if (manifest.object == ObjectClass::model) return fits_contract(manifest, contract_);
  if (manifest.object == ObjectClass::app && (request.flags & wire::flash::kBeginOrphanModels) == 0)
    return models_fit(manifest);
  return Status::ok;
}

Status Installer::models_fit(const Manifest& app) const {
  for (std::uint8_t lane = 1; lane < kLanes; ++lane) {
    const std::uint8_t slot = running(lane);
    if (!exists(slot)) continue;
    Trailer trailer;
    read_trailer(flash_, region(slot), trailer);
    // Of a model without manifest nothing is known: the application checks it when it opens the package.
    if (!trailer.sealed || trailer.manifest.object != ObjectClass::model) continue;
    if (app.kernel_abi == 0 || fits_contract(trailer.manifest, contract_of(app)) != Status::ok)
      return Status::abi_mismatch;
  }
  return Status::ok;
}

bool Installer::runs_already(std::uint8_t slot, const Manifest& manifest) const {
  const std::uint8_t lane = wire::flash::lane_of(slot);
  const std::uint8_t runs = lane == kNoSlot ? slot : running(lane);
  if (!exists(runs) || (distrusted_ >> runs & 1U) != 0) return false;
  Trailer trailer;
  read_trailer(flash_, region(runs), trailer);
  const Manifest& there = trailer.manifest;
  // A cut between its commit and the record of its floor: the commit is to be done again.
  if (lane == kNoSlot && there.epoch > log_.newest().floors[floor_index(ObjectClass::data)]) return false;
  // The key too: an object is signed again and installed again before its old key can be revoked.
  return trailer.staged && there.payload_hash == manifest.payload_hash && there.version == manifest.version &&
         there.epoch == manifest.epoch && there.key_id == manifest.key_id && there.object == manifest.object;
}

Progress Installer::begin(const Begin& request, std::span<const std::byte> manifest_bytes) {
  if (working()) return {true, Status::busy, 0};
  const auto manifest = wire::flash::parse_manifest(manifest_bytes);
  if (!manifest) return {true, Status::bad_manifest, 0};
  if (const Status status = check_begin(request, *manifest); status != Status::ok) return {true, status, 0};
  const bool active = runs_already(request.slot, *manifest);
  if (!active && in_use(request.slot)) return {true, Status::slot_active, 0};
  const bool dry = (request.flags & wire::flash::kBeginDryRun) != 0;
  abort();
  begun_ = {};
  if (active) begun_.state = Begun::State::active;
  if (active || dry) return finish(Status::ok);
  transfer_.open = true;
  transfer_.request = request;
  transfer_.manifest = *manifest;
  transfer_.erased = {};
  Trailer trailer;
  read_trailer(flash_, region(request.slot), trailer);
  if (!trailer.sealed || std::memcmp(&trailer.manifest, &*manifest, sizeof(Manifest)) != 0 ||
      !list_intact(flash_, region(request.slot), *manifest))
    return finish(Status::ok);
  transfer_.listed = true;
  work_ = Work::resume;
  step_ = 0;
  return going_on(0, manifest->chunk_count);
}

Progress Installer::list(std::uint16_t first, std::span<const std::byte> entries) {
  if (!transfer_.open) return {true, Status::not_ready, 0};
  if (transfer_.listed) return working() ? going_on(step_, chunk_count()) : Progress{};
  const std::size_t count = entries.size() / kHashBytes;
  if (entries.size() % kHashBytes != 0 || first > begun_.chunks || first + count > chunk_count())
    return {true, Status::bad_argument, 0};
  if (count > 0) std::memcpy(memory_.window.data() + first * kHashBytes, entries.data(), entries.size());
  begun_.chunks = std::max(begun_.chunks, static_cast<std::uint16_t>(first + count));
  if (begun_.chunks < chunk_count()) return {};
  const Hash root = Sha256::of(memory_.window.first(list_bytes(chunk_count())));
  if (!same_hash(root, transfer_.manifest.list_root).passed()) {
    // Nothing was written; the entries are asked for again.
    begun_.chunks = 0;
    return {true, Status::bad_manifest, 0};
  }
  return start_prepare();
}

Progress Installer::start_prepare() {
  transfer_.listed = true;
  begun_ = {};
  transfer_.erased = {};
  work_ = Work::prepare;
  step_ = 0;
  return going_on(0, 100);
}

Progress Installer::step_prepare() {
  // Steps: kill the mark, erase the sectors, then the manifest and the list page by page, the seal last.
  const hal::FlashRegion slot = region(transfer_.request.slot);
  const std::uint32_t sectors = trailer_sectors(chunk_count());
  const std::uint32_t bytes = list_bytes(chunk_count());
  constexpr std::uint32_t kPiece = kPagesPerStep * hal::kFlashPageBytes;
  const std::uint32_t pieces = (bytes + kPiece - 1) / kPiece;
  const std::uint32_t last = sectors + pieces + 2;
  const std::uint32_t now = step_++;
  Status status = Status::ok;
  if (now == 0) {
    if (!void_slot(transfer_.request.slot)) status = Status::program_failed;
  } else if (now <= sectors) {
    if (!flash_.erase(trailer_offset(slot) + (now - 1) * hal::kFlashSectorBytes)) status = Status::erase_failed;
  } else if (now == sectors + 1) {
    const auto* manifest = reinterpret_cast<const std::uint8_t*>(&transfer_.manifest);
    if (!flash_.program(trailer_offset(slot), {manifest, sizeof(Manifest)})) status = Status::program_failed;
  } else if (now < last) {
    const std::uint32_t from = (now - sectors - 2) * kPiece;
    const std::uint32_t count = std::min(kPiece, bytes - from);
    if (!flash_.program(trailer_offset(slot) + static_cast<std::uint32_t>(wire::flash::kTrailerListOffset) + from,
                        memory_.window.subspan(from, count)))
      status = Status::program_failed;
  } else {
    if (!seal_trailer(flash_, slot, transfer_.manifest)) status = Status::program_failed;
    begun_.state = Begun::State::receiving;
    return status == Status::ok ? finish(Status::ok) : end_transfer(status);
  }
  return status == Status::ok ? going_on(now, last + 1) : end_transfer(status);
}

void Installer::set_have(std::uint16_t chunk) {
  std::uint8_t& byte = begun_.have[chunk / 8];
  const auto bit = static_cast<std::uint8_t>(1U << (chunk % 8));
  if ((byte & bit) == 0) ++begun_.chunks;
  byte = static_cast<std::uint8_t>(byte | bit);
  if (begun_.chunks == chunk_count()) begun_.state = Begun::State::complete;
}

Progress Installer::step_resume() {
  const hal::FlashRegion slot = region(transfer_.request.slot);
  const auto chunk = static_cast<std::uint16_t>(step_++);
  if (chunk == chunk_count()) {
    if (begun_.state == Begun::State::receiving_list) begun_.state = Begun::State::receiving;
    return finish(Status::ok);
  }
  Trailer trailer;
  read_trailer(flash_, slot, trailer);
  if (trailer.sealed && !trailer.stored(chunk)) return going_on(step_, chunk_count());
  Sha256 sha;
  Hash entry;
  if (trailer.sealed && read_entry(flash_, slot, chunk, entry) &&
      hash_flash(flash_, chunk_offset(chunk), chunk_bytes(chunk), sha) && same_hash(sha.finish(), entry).passed()) {
    set_have(chunk);
    return going_on(step_, chunk_count());
  }
  // The trailer says that the chunk was stored, but it is not there any more: nothing in this slot is to be relied on.
  // Everything is written anew, with the list that the trailer still holds.
  const std::span<std::uint8_t> list = memory_.window.first(list_bytes(chunk_count()));
  if (!flash_.read(trailer_offset(slot) + static_cast<std::uint32_t>(wire::flash::kTrailerListOffset), list) ||
      !same_hash(Sha256::of(list), transfer_.manifest.list_root).passed()) {
    transfer_.listed = false;
    begun_ = {};
    return finish(Status::ok);
  }
  return start_prepare();
}

}  // namespace tml::fw::update
