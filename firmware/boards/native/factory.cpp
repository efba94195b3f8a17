// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/factory.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "firmware/hal/flash_layout.hpp"
#include "firmware/update/boot_log.hpp"
#include "firmware/update/timed_flash.hpp"
#include "firmware/update/trailer.hpp"

namespace tml::fw::native {
namespace {

using wire::flash::kTrailerListOffset;
using wire::flash::kTrailerMarkOffset;

bool sealed(update::TimedFlash& flash, hal::FlashRegion slot) {
  update::Trailer trailer;
  update::read_trailer(flash, slot, trailer);
  return trailer.sealed;
}

bool make_blank(hal::Flash& flash, std::uint32_t from, std::uint32_t bytes) {
  std::array<std::uint8_t, hal::kFlashSectorBytes> sector{};
  for (std::uint32_t at = from; at < from + bytes; at += hal::kFlashSectorBytes) {
    if (!flash.read(at, sector)) return false;
    const bool blank = std::all_of(sector.begin(), sector.end(), [](std::uint8_t byte) { return byte == 0xFF; });
    if (!blank && !flash.erase_sector(at)) return false;
  }
  return true;
}

}  // namespace

bool needs_factory(hal::Flash& flash, hal::Clock& clock) {
  update::TimedFlash timed(flash, clock);
  update::BootLog log(timed, hal::kBootControlRegion);
  log.mount();
  return log.empty() && !sealed(timed, hal::kAppSlots[0]) && !sealed(timed, hal::kAppSlots[1]);
}

Result<void> program_factory(hal::Flash& flash, hal::Clock& clock, const ImageSpec& spec) {
  return program_factory(flash, clock, sign_image(make_image(spec)));
}

Result<void> program_factory(hal::Flash& flash, hal::Clock& clock, const SignedImage& image) {
  const hal::FlashRegion slot = hal::kAppSlots[0];
  std::vector<std::uint8_t> trailer(kTrailerListOffset + image.list.size());
  const std::size_t bytes = update::make_trailer(image.manifest, image.list, trailer);
  const std::span<const std::uint8_t> whole = std::span(trailer).first(bytes);
  const std::uint32_t trailer_at = update::trailer_offset(slot);
  update::TimedFlash timed(flash, clock);
  const bool done = bytes != 0 && make_blank(flash, slot.offset, static_cast<std::uint32_t>(image.payload.size())) &&
                    make_blank(flash, trailer_at, static_cast<std::uint32_t>(wire::flash::kTrailerBytes)) &&
                    timed.program(slot.offset, image.payload) &&
                    timed.program(trailer_at, whole.first(kTrailerMarkOffset)) &&
                    timed.program(trailer_at + kTrailerListOffset, whole.subspan(kTrailerListOffset)) &&
                    timed.program(trailer_at + kTrailerMarkOffset,
                                  whole.subspan(kTrailerMarkOffset, kTrailerListOffset - kTrailerMarkOffset));
  if (!done) return fail(Errc::io, "the flash refused the factory's application", "slot app-a");
  return {};
}

}  // namespace tml::fw::native
