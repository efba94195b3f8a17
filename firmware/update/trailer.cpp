// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/trailer.hpp"

#include <algorithm>
#include <cstring>

#include "common/wire/crc.hpp"

namespace tml::fw::update {
namespace {

using wire::flash::kManifestBytes;
using wire::flash::kTrailerListOffset;
using wire::flash::kTrailerMarkOffset;
using wire::flash::Manifest;

constexpr std::size_t kSealCrcOffset = sizeof(Seal) - 4;

std::uint32_t seal_crc(const Seal& seal) {
  return wire::Crc32c::of(std::as_bytes(std::span(&seal, 1)).first(kSealCrcOffset));
}
std::array<std::uint8_t, 4> word(std::uint32_t value) {
  std::array<std::uint8_t, 4> bytes;
  std::memcpy(bytes.data(), &value, bytes.size());
  return bytes;
}

}  // namespace

Seal make_seal(const Manifest& manifest) {
  Seal seal;
  seal.chunk_count = static_cast<std::uint16_t>(manifest.chunk_count);
  const Hash hash = Sha256::of({reinterpret_cast<const std::uint8_t*>(&manifest), sizeof manifest});
  std::copy_n(hash.begin(), seal.manifest_hash.size(), seal.manifest_hash.begin());
  seal.crc = seal_crc(seal);
  return seal;
}

void read_trailer(TimedFlash& flash, hal::FlashRegion slot, Trailer& into) {
  into.sealed = false;
  into.staged = false;
  into.factory = false;
  if (payload_capacity(slot) == 0) return;
  // The manifest goes where it stays; the mark is looked at first, so that a blank slot costs one short read.
  std::array<std::uint8_t, kMarkBytes> mark;
  if (!flash.read(trailer_offset(slot) + static_cast<std::uint32_t>(kTrailerMarkOffset), mark)) return;
  Seal seal;
  const auto magic = seal.magic;
  std::memcpy(&seal, mark.data(), sizeof seal);
  if (seal.magic != magic || seal.format != 1 || seal.crc != seal_crc(seal)) return;
  if (!flash.read(trailer_offset(slot), {reinterpret_cast<std::uint8_t*>(&into.manifest), sizeof into.manifest}))
    return;
  const auto parsed = wire::flash::parse_manifest(std::as_bytes(std::span(&into.manifest, 1)));
  if (!parsed || parsed->chunk_count > wire::flash::kMaxChunks || parsed->payload_bytes > payload_capacity(slot))
    return;
  const Seal expected = make_seal(into.manifest);
  if (std::memcmp(&expected, &seal, sizeof seal) != 0) return;
  into.sealed = true;
  std::uint32_t staged = 0;
  std::memcpy(&staged, mark.data() + (kStagedOffset - kTrailerMarkOffset), sizeof staged);
  into.factory = staged == kFactoryWord;
  into.staged = into.factory || staged == kStagedWord;
  std::copy_n(mark.begin() + (kProgressOffset - kTrailerMarkOffset), into.progress.size(), into.progress.begin());
}

bool read_entry(TimedFlash& flash, hal::FlashRegion slot, std::uint32_t chunk, Hash& into) {
  return flash.read(trailer_offset(slot) + static_cast<std::uint32_t>(kTrailerListOffset) + list_bytes(chunk), into);
}

bool list_intact(TimedFlash& flash, hal::FlashRegion slot, const Manifest& manifest) {
  Sha256 sha;
  if (!hash_flash(flash, trailer_offset(slot) + static_cast<std::uint32_t>(kTrailerListOffset),
                  list_bytes(manifest.chunk_count), sha))
    return false;
  return same_hash(sha.finish(), manifest.list_root).passed();
}

bool kill_trailer(TimedFlash& flash, hal::FlashRegion slot) {
  constexpr std::array<std::uint8_t, kMarkBytes> kZeros{};
  return flash.program(trailer_offset(slot) + static_cast<std::uint32_t>(kTrailerMarkOffset), kZeros);
}

bool seal_trailer(TimedFlash& flash, hal::FlashRegion slot, const Manifest& manifest) {
  const Seal seal = make_seal(manifest);
  return flash.program(trailer_offset(slot) + static_cast<std::uint32_t>(kTrailerMarkOffset),
                       {reinterpret_cast<const std::uint8_t*>(&seal), sizeof seal});
}

bool note_stored(TimedFlash& flash, hal::FlashRegion slot, std::uint32_t chunk) {
  const std::uint32_t offset = trailer_offset(slot) + kProgressOffset + chunk / 8;
  std::array<std::uint8_t, 1> byte;
  if (!flash.read(offset, byte)) return false;
  byte[0] = static_cast<std::uint8_t>(byte[0] & ~(1U << (chunk % 8)));
  return flash.program(offset, byte);
}

bool note_staged(TimedFlash& flash, hal::FlashRegion slot) {
  return flash.program(trailer_offset(slot) + kStagedOffset, word(kStagedWord));
}

std::size_t make_trailer(const Manifest& manifest, std::span<const std::uint8_t> list, std::span<std::uint8_t> out) {
  const std::size_t size = kTrailerListOffset + list.size();
  if (list.size() != list_bytes(manifest.chunk_count) || out.size() < size) return 0;
  std::fill_n(out.begin(), size, std::uint8_t{0xFF});
  std::memcpy(out.data(), &manifest, kManifestBytes);
  const Seal seal = make_seal(manifest);
  std::memcpy(out.data() + kTrailerMarkOffset, &seal, sizeof seal);
  const auto staged = word(kFactoryWord);
  std::copy(staged.begin(), staged.end(), out.begin() + kStagedOffset);
  for (std::uint32_t chunk = 0; chunk < manifest.chunk_count; ++chunk) {
    std::uint8_t& byte = out[kProgressOffset + chunk / 8];
    byte = static_cast<std::uint8_t>(byte & ~(1U << (chunk % 8)));
  }
  std::copy(list.begin(), list.end(), out.begin() + kTrailerListOffset);
  return size;
}

}  // namespace tml::fw::update
