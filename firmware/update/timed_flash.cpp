// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/timed_flash.hpp"

#include <algorithm>
#include <array>

namespace tml::fw::update {

bool TimedFlash::read(std::uint32_t offset, std::span<std::uint8_t> into) { return flash_.read(offset, into); }

bool TimedFlash::program(std::uint32_t offset, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const std::size_t room = hal::kFlashPageBytes - offset % hal::kFlashPageBytes;
    const std::span<const std::uint8_t> page = bytes.first(std::min(room, bytes.size()));
    const std::uint64_t started_us = clock_.wire_us();
    const bool done = flash_.program(offset, page);
    note(started_us);
    if (!done) return false;
    std::array<std::uint8_t, hal::kFlashPageBytes> back;
    const std::span<std::uint8_t> seen = std::span(back).first(page.size());
    if (!flash_.read(offset, seen) || !std::equal(page.begin(), page.end(), seen.begin())) return false;
    offset += static_cast<std::uint32_t>(page.size());
    bytes = bytes.subspan(page.size());
  }
  return true;
}

bool TimedFlash::erase(std::uint32_t offset) {
  const std::uint64_t started_us = clock_.wire_us();
  const bool done = flash_.erase_sector(offset);
  note(started_us);
  ++erases_;
  return done;
}

void TimedFlash::note(std::uint64_t started_us) {
  const std::uint64_t now_us = clock_.wire_us();
  if (now_us - period_us_ >= kPeriodUs) {
    longest_before_ = now_us - period_us_ < 2 * kPeriodUs ? longest_us_ : 0;
    longest_us_ = 0;
    period_us_ = now_us;
  }
  const std::uint64_t took_us = std::min<std::uint64_t>(now_us - started_us, UINT32_MAX);
  longest_us_ = std::max(longest_us_, static_cast<std::uint32_t>(took_us));
}

std::uint16_t TimedFlash::longest_ms() const {
  const std::uint64_t age_us = clock_.wire_us() - period_us_;
  if (age_us >= 2 * kPeriodUs) return 0;
  const std::uint32_t longest = age_us >= kPeriodUs ? longest_us_ : std::max(longest_us_, longest_before_);
  const std::uint32_t ms = longest / 1000 + (longest % 1000 != 0 ? 1U : 0U);
  return static_cast<std::uint16_t>(std::min<std::uint32_t>(ms, UINT16_MAX));
}

}  // namespace tml::fw::update
