// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/flash_model.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace tml::fw::native {
namespace {

constexpr double kMaxMs = 10'000;

std::optional<std::chrono::nanoseconds> milliseconds(std::string_view text) {
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size() || !(value >= 0 && value <= kMaxMs)) return std::nullopt;
  return std::chrono::nanoseconds(std::llround(value * 1e6));
}

}  // namespace

std::optional<FlashTimes> parse_flash_times(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto erase = milliseconds(text.substr(0, colon));
  const auto page = milliseconds(text.substr(colon + 1));
  if (!erase || !page) return std::nullopt;
  return FlashTimes{*erase, *page};
}

ModelledFlash::ModelledFlash(hal::Flash& flash, FlashTimes times, std::vector<std::uint32_t> bad_sectors, Busy busy)
    : flash_(flash), times_(times), bad_sectors_(std::move(bad_sectors)), busy_(std::move(busy)) {}

bool ModelledFlash::bad(std::uint32_t offset) {
  const std::uint32_t sector = offset / hal::kFlashSectorBytes * hal::kFlashSectorBytes;
  if (std::find(bad_sectors_.begin(), bad_sectors_.end(), sector) == bad_sectors_.end()) return false;
  ++failed_;
  return true;
}

bool ModelledFlash::program(std::uint32_t offset, std::span<const std::uint8_t> bytes) {
  if (busy_ && times_.page.count() > 0) busy_(times_.page);
  return !bad(offset) && flash_.program(offset, bytes);
}

bool ModelledFlash::erase_sector(std::uint32_t offset) {
  if (busy_ && times_.erase.count() > 0) busy_(times_.erase);
  return !bad(offset) && flash_.erase_sector(offset);
}

}  // namespace tml::fw::native
