// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The last three sectors of a slot: manifest, mark, chunk list (docs/image-format.md, "Slots and trailers").
//
//     0    manifest    512
//     512  mark        32    seal 28, staged word 4
//     544  progress    32    bit n cleared: chunk n was programmed into an erased sector and read back
//     576  list        32 x chunks
//
// The seal is programmed last: a trailer without it is not there. COMMIT clears the staged word. All 64 bytes from 512
// on are programmed to zero before the sector is erased, so that an erase cut short cannot bring a trailer back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/manifest.hpp"
#include "firmware/hal/flash.hpp"
#include "firmware/update/timed_flash.hpp"
#include "firmware/update/verify.hpp"

namespace tml::fw::update {

struct Seal {
  std::array<std::uint8_t, 4> magic{'T', 'M', 'L', 'T'};
  std::uint16_t format = 1;
  std::uint16_t chunk_count = 0;
  std::array<std::uint8_t, 16> manifest_hash{};  ///< First half of SHA-256 of the 512 bytes.
  std::uint32_t crc = 0;                         ///< CRC-32C of the 24 bytes before.
};
static_assert(sizeof(Seal) == 28);

inline constexpr std::uint32_t kStagedOffset = wire::flash::kTrailerMarkOffset + sizeof(Seal);
inline constexpr std::uint32_t kProgressOffset = wire::flash::kTrailerMarkOffset + 32;
inline constexpr std::uint32_t kStagedWord = 0x44475453;   ///< "STGD": by COMMIT.
inline constexpr std::uint32_t kFactoryWord = 0x59524346;  ///< "FCRY": by a factory; runs without a decision.
inline constexpr std::size_t kMarkBytes = 64;              ///< Seal, staged word and progress.

/// What the first 576 bytes of a trailer say. A view of one moment: nothing is cached.
struct Trailer {
  bool sealed = false;   ///< Manifest and list are complete. The rest is meaningful only then.
  bool staged = false;   ///< COMMIT hashed the payload and found it right, or a factory says so.
  bool factory = false;  ///< The latter.
  wire::flash::Manifest manifest;
  std::array<std::uint8_t, 32> progress{};

  [[nodiscard]] bool stored(std::uint32_t chunk) const { return (progress[chunk / 8] >> (chunk % 8) & 1U) == 0; }
};

/// Where a slot's trailer begins.
[[nodiscard]] constexpr std::uint32_t trailer_offset(hal::FlashRegion slot) {
  return slot.offset + slot.size_bytes - static_cast<std::uint32_t>(wire::flash::kTrailerBytes);
}
[[nodiscard]] constexpr std::uint32_t list_bytes(std::uint32_t chunks) {
  return chunks * static_cast<std::uint32_t>(wire::flash::kHashBytes);
}
/// Sectors that a trailer with so many list entries reaches into: 1 to 3.
[[nodiscard]] constexpr std::uint32_t trailer_sectors(std::uint32_t chunks) {
  return (static_cast<std::uint32_t>(wire::flash::kTrailerListOffset) + list_bytes(chunks) + hal::kFlashSectorBytes -
          1) /
         hal::kFlashSectorBytes;
}

/// One read of 576 bytes, judged from that copy. Not the signature.
void read_trailer(TimedFlash& flash, hal::FlashRegion slot, Trailer& into);
/// Entry of the chunk list.
[[nodiscard]] bool read_entry(TimedFlash& flash, hal::FlashRegion slot, std::uint32_t chunk, Hash& into);
/// The list in flash hashes to list_root.
[[nodiscard]] bool list_intact(TimedFlash& flash, hal::FlashRegion slot, const wire::flash::Manifest& manifest);

/// The seal of this manifest.
[[nodiscard]] Seal make_seal(const wire::flash::Manifest& manifest);
/// One operation: what is there is no trailer any more.
[[nodiscard]] bool kill_trailer(TimedFlash& flash, hal::FlashRegion slot);
/// Behind manifest and list: the seal, read back.
[[nodiscard]] bool seal_trailer(TimedFlash& flash, hal::FlashRegion slot, const wire::flash::Manifest& manifest);
[[nodiscard]] bool note_stored(TimedFlash& flash, hal::FlashRegion slot, std::uint32_t chunk);
[[nodiscard]] bool note_staged(TimedFlash& flash, hal::FlashRegion slot);

/// For factories and tests: the trailer of a complete slot as bytes, 576 + 32 x chunks of them, everything stored, and
/// with the factory's word. 0 when `out` is too small or the list has another size.
[[nodiscard]] std::size_t make_trailer(const wire::flash::Manifest& manifest, std::span<const std::uint8_t> list,
                                       std::span<std::uint8_t> out);

}  // namespace tml::fw::update
