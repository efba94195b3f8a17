// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a flash chip adds to a file: operations take time, and sectors fail.
//
// One operation blocks the firmware, not the world: the board's clock shows the time at which the chip will be ready
// (BoardClock::stand_still), the board does not run the firmware before that, and meanwhile its UART goes on receiving.
// Several operations in one step of the firmware add up.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "firmware/hal/flash.hpp"

namespace tml::fw::native {

struct FlashTimes {
  std::chrono::nanoseconds erase{0};  ///< Of a sector.
  std::chrono::nanoseconds page{0};   ///< Of a program operation, whatever its size up to a page.
};

/// "45:0.7": milliseconds of an erase and of a page program, each 0 to 10000.
[[nodiscard]] std::optional<FlashTimes> parse_flash_times(std::string_view text);

/// One thread. `flash` outlives it.
class ModelledFlash final : public hal::Flash {
 public:
  /// Told how long the operation that just happened takes; never called with 0.
  using Busy = std::function<void(std::chrono::nanoseconds)>;

  ModelledFlash(hal::Flash& flash, FlashTimes times, std::vector<std::uint32_t> bad_sectors, Busy busy);

  [[nodiscard]] std::uint32_t size_bytes() const override { return flash_.size_bytes(); }
  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override {
    return flash_.read(offset, into);
  }
  [[nodiscard]] bool program(std::uint32_t offset, std::span<const std::uint8_t> bytes) override;
  [[nodiscard]] bool erase_sector(std::uint32_t offset) override;
  [[nodiscard]] std::span<const std::uint8_t> mapped(std::uint32_t offset, std::uint32_t bytes) override {
    return flash_.mapped(offset, bytes);
  }

  /// Operations that failed because their sector is bad.
  [[nodiscard]] std::uint64_t failed() const { return failed_; }

 private:
  [[nodiscard]] bool bad(std::uint32_t offset);

  hal::Flash& flash_;
  FlashTimes times_;
  std::vector<std::uint32_t> bad_sectors_;
  Busy busy_;
  std::uint64_t failed_ = 0;
};

}  // namespace tml::fw::native
