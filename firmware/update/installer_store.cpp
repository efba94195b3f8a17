// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Chunks into their sectors, and COMMIT.
#include <algorithm>
#include <array>
#include <cstring>

#include "firmware/update/installer.hpp"

namespace tml::fw::update {

using wire::flash::Begun;
using wire::flash::BootEvent;
using wire::flash::Encoding;
using wire::flash::kChunkBytes;
using wire::flash::kNoSlot;
using wire::flash::ObjectClass;
using wire::flash::Status;

bool Installer::receiving() const {
  return transfer_.open && transfer_.listed && work_ != Work::prepare && work_ != Work::resume;
}
std::uint16_t Installer::chunk_count() const { return static_cast<std::uint16_t>(transfer_.manifest.chunk_count); }
bool Installer::have(std::uint16_t chunk) const {
  return chunk < wire::flash::kMaxChunks && (begun_.have[chunk / 8] >> (chunk % 8) & 1U) != 0;
}
std::uint32_t Installer::chunk_bytes(std::uint16_t chunk) const {
  const std::uint32_t first = std::uint32_t{chunk} * static_cast<std::uint32_t>(kChunkBytes);
  if (first >= transfer_.manifest.payload_bytes) return 0;
  return std::min<std::uint32_t>(transfer_.manifest.payload_bytes - first, kChunkBytes);
}
std::uint32_t Installer::chunk_offset(std::uint16_t chunk) const {
  return region(transfer_.request.slot).offset + std::uint32_t{chunk} * static_cast<std::uint32_t>(kChunkBytes);
}

bool Installer::erased(std::uint16_t chunk) const { return (transfer_.erased[chunk / 8] >> (chunk % 8) & 1U) != 0; }
bool Installer::erase_chunk(std::uint16_t chunk) {
  if (!flash_.erase(chunk_offset(chunk))) return false;
  std::uint8_t& byte = transfer_.erased[chunk / 8];
  byte = static_cast<std::uint8_t>(byte | 1U << (chunk % 8));
  return true;
}
void Installer::note_dirty(std::uint16_t chunk) {
  std::uint8_t& byte = transfer_.erased[chunk / 8];
  byte = static_cast<std::uint8_t>(byte & ~(1U << (chunk % 8)));
}

Progress Installer::end_transfer(Status status) {
  transfer_.open = false;
  transfer_.listed = false;
  return finish(status);
}

bool Installer::open_source() {
  chunk_.done = 0;
  std::span<const std::uint8_t> stream = chunk_.sent;
  if (chunk_.encoding == Encoding::raw) return stream.size() == chunk_bytes(chunk_.number);
  std::uint32_t at = 0;
  if (chunk_.encoding == Encoding::delta) {
    const std::uint8_t base = transfer_.request.base_slot;
    if (stream.size() <= sizeof at || base == kNoSlot) return false;
    std::memcpy(&at, stream.data(), sizeof at);
    stream = stream.subspan(sizeof at);
    const std::uint32_t capacity = payload_capacity(region(base));
    if (capacity < kChunkBytes || at > capacity - kChunkBytes) return false;
    at += region(base).offset;
  }
  if (inflate_.begin(stream, chunk_.encoding) != Status::ok) return false;
  if (chunk_.encoding != Encoding::delta) return true;
  std::array<std::uint8_t, 256> piece;
  for (std::uint32_t done = 0; done < kChunkBytes; done += piece.size()) {
    if (!flash_.read(at + done, piece) || inflate_.add_dictionary(piece) != Status::ok) return false;
  }
  return true;
}

bool Installer::read_source(std::span<std::uint8_t> piece) {
  if (chunk_.encoding == Encoding::raw) {
    std::copy_n(chunk_.sent.begin() + chunk_.done, piece.size(), piece.begin());
  } else {
    const Inflate::Piece read = inflate_.read(piece);
    if (read.status != Status::ok || read.bytes != piece.size()) return false;
  }
  chunk_.done += static_cast<std::uint32_t>(piece.size());
  return true;
}

Status Installer::check_source() {
  if (chunk_.encoding != Encoding::raw && memory_.inflate.size() < kInflateSmallBytes) return Status::unsupported;
  if (!open_source()) return Status::verify_failed;
  const std::uint32_t bytes = chunk_bytes(chunk_.number);
  std::array<std::uint8_t, 256> page;
  Sha256 sha;
  while (chunk_.done < bytes) {
    const auto piece = std::span(page).first(std::min<std::size_t>(page.size(), bytes - chunk_.done));
    if (!read_source(piece)) return Status::verify_failed;
    sha.update(piece);
  }
  if (chunk_.encoding != Encoding::raw && inflate_.finish() != Status::ok) return Status::verify_failed;
  Hash entry;
  if (!read_entry(flash_, region(transfer_.request.slot), chunk_.number, entry)) return Status::internal;
  return same_hash(sha.finish(), entry).passed() ? Status::ok : Status::verify_failed;
}

Progress Installer::store(std::uint16_t chunk, Encoding encoding, std::span<const std::uint8_t> sent) {
  if (working()) return {true, Status::busy, 0};
  if (!receiving()) return {true, Status::not_ready, 0};
  if (chunk >= chunk_count()) return {true, Status::bad_argument, 0};
  if (have(chunk)) return {};
  chunk_ = {chunk, encoding, sent, 0};
  const Status status = check_source();
  if (status == Status::internal) return end_transfer(status);
  if (status != Status::ok) return {true, status, 0};
  chunk_.done = 0;
  work_ = Work::store;
  return step_store();
}

Progress Installer::step_store() {
  const std::uint32_t bytes = chunk_bytes(chunk_.number);
  if (chunk_.done == 0) {
    if (!erased(chunk_.number)) {
      if (!erase_chunk(chunk_.number)) return end_transfer(Status::erase_failed);
      return going_on(0, bytes);
    }
    note_dirty(chunk_.number);
    if (!open_source()) return end_transfer(Status::internal);
  }
  std::array<std::uint8_t, hal::kFlashPageBytes> page;
  for (int i = 0; i < kPagesPerStep && chunk_.done < bytes; ++i) {
    const auto piece = std::span(page).first(std::min<std::size_t>(page.size(), bytes - chunk_.done));
    const std::uint32_t offset = chunk_offset(chunk_.number) + chunk_.done;
    if (!read_source(piece)) return end_transfer(Status::internal);
    if (!flash_.program(offset, piece)) return end_transfer(Status::program_failed);
  }
  if (chunk_.done < bytes) return going_on(chunk_.done, bytes);
  if (!note_stored(flash_, region(transfer_.request.slot), chunk_.number)) return end_transfer(Status::program_failed);
  set_have(chunk_.number);
  return finish(Status::ok);
}

Progress Installer::copy(const wire::flash::Copy& range, std::uint16_t& copied) {
  copied = 0;
  if (working()) return {true, Status::busy, 0};
  if (!receiving()) return {true, Status::not_ready, 0};
  const std::uint8_t base = transfer_.request.base_slot;
  if (base == kNoSlot || std::uint32_t{range.to} + range.count > chunk_count()) return {true, Status::bad_argument, 0};
  const std::uint64_t end = (std::uint64_t{range.from} + range.count) * kChunkBytes;
  if (end > payload_capacity(region(base))) return {true, Status::bad_argument, 0};
  copy_range_ = range;
  copied_ = &copied;
  chunk_ = {};
  step_ = 0;
  work_ = Work::copy;
  return going_on(0, range.count);
}

Progress Installer::step_copy() {
  // One chunk after the other: hash the source, erase the target, program, hash the target.
  const std::uint32_t count = copy_range_.count;
  if (step_ >= count) return finish(Status::ok);
  const auto to = static_cast<std::uint16_t>(copy_range_.to + step_);
  const std::uint32_t bytes = chunk_bytes(to);
  const std::uint32_t from =
      region(transfer_.request.base_slot).offset + (copy_range_.from + step_) * static_cast<std::uint32_t>(kChunkBytes);
  const hal::FlashRegion slot = region(transfer_.request.slot);
  const auto matches = [&](std::uint32_t offset) {
    Sha256 sha;
    Hash entry;
    return read_entry(flash_, slot, to, entry) && hash_flash(flash_, offset, bytes, sha) &&
           same_hash(sha.finish(), entry).passed();
  };
  const auto next = [&]() {
    chunk_.done = 0;
    return ++step_ < count ? going_on(step_, count) : finish(Status::ok);
  };
  if (chunk_.done == 0) {
    if (have(to) || !matches(from)) return next();
    if (!erased(to)) {
      if (!erase_chunk(to)) return end_transfer(Status::erase_failed);
      return going_on(step_, count);
    }
    note_dirty(to);
  }
  std::array<std::uint8_t, hal::kFlashPageBytes> page;
  for (int i = 0; i < kPagesPerStep && chunk_.done < bytes; ++i) {
    const auto piece = std::span(page).first(std::min<std::size_t>(page.size(), bytes - chunk_.done));
    if (!flash_.read(from + chunk_.done, piece)) return end_transfer(Status::internal);
    if (!flash_.program(chunk_offset(to) + chunk_.done, piece)) return end_transfer(Status::program_failed);
    chunk_.done += static_cast<std::uint32_t>(piece.size());
  }
  if (chunk_.done < bytes) return going_on(step_, count);
  // A source whose erase was cut short may read otherwise each time: what counts is what arrived.
  if (!matches(chunk_offset(to))) return next();
  if (!note_stored(flash_, slot, to)) return end_transfer(Status::program_failed);
  set_have(to);
  ++*copied_;
  return next();
}

bool Installer::erase_ahead() {
  if (working() || !receiving()) return false;
  for (std::uint16_t chunk = 0; chunk < chunk_count(); ++chunk) {
    if (!have(chunk) && !erased(chunk)) return erase_chunk(chunk);
  }
  return false;
}

Progress Installer::commit(std::uint8_t slot) {
  if (working()) return {true, Status::busy, 0};
  if (!exists(slot)) return {true, Status::bad_argument, 0};
  if (!receiving() || transfer_.request.slot != slot) {
    Trailer trailer;
    read_trailer(flash_, region(slot), trailer);
    const bool floor_owed = trailer.sealed && trailer.manifest.object == ObjectClass::data &&
                            trailer.manifest.epoch > log_.newest().floors[floor_index(ObjectClass::data)];
    if (trailer.staged && !floor_owed) return {};
    return {true, trailer.sealed ? Status::not_complete : Status::not_ready, 0};
  }
  if (begun_.state != Begun::State::complete) return {true, Status::not_complete, 0};
  check_.start(region(slot), transfer_.manifest);
  work_ = Work::commit;
  return going_on(0, 100);
}

Progress Installer::step_commit() {
  if (check_.step(flash_)) return {false, Status::ok, check_.percent()};
  const std::uint8_t slot = transfer_.request.slot;
  if (!check_.verdict().passed()) return end_transfer(Status::verify_failed);
  // A factory's word stays: another one over it would be neither.
  Trailer trailer;
  read_trailer(flash_, region(slot), trailer);
  if (!trailer.staged && !note_staged(flash_, region(slot))) return end_transfer(Status::program_failed);
  distrusted_ &= static_cast<std::uint8_t>(~(1U << slot));
  const std::uint32_t epoch = transfer_.manifest.epoch;
  transfer_.staged = true;
  const Progress done = end_transfer(Status::ok);
  const std::size_t floor = floor_index(ObjectClass::data);
  if (transfer_.manifest.object != ObjectClass::data || epoch <= log_.newest().floors[floor]) return done;
  // Nothing selects the data slot: what was committed is in force.
  wire::flash::BootRecord next = next_record(BootEvent::confirmed, slot);
  next.floors[floor] = epoch;
  return record(next);
}

}  // namespace tml::fw::update
