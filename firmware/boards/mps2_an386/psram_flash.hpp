// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// NOR flash made of PSRAM: the rules are kept here. The memory is a file (QEMU's memory-backend-file), so that the
// content survives the end of QEMU at any instant, and can be executed and read in place.
#pragma once

#include "firmware/boards/mps2_an386/host_window.hpp"
#include "firmware/hal/flash.hpp"

namespace tml::fw::mps2 {

/// A broken rule (a program that turns 0 into 1, crosses a page, or is out of range; an erase that is not aligned) is a
/// panic: nothing after it can be trusted. Takes no time, unlike a chip.
class PsramFlash final : public hal::Flash {
 public:
  explicit PsramFlash(WearAccount& wear) : wear_(wear) {}

  [[nodiscard]] std::uint32_t size_bytes() const override { return kWindowOffset; }
  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override;
  [[nodiscard]] bool program(std::uint32_t offset, std::span<const std::uint8_t> bytes) override;
  [[nodiscard]] bool erase_sector(std::uint32_t offset) override;
  [[nodiscard]] std::span<const std::uint8_t> mapped(std::uint32_t offset, std::uint32_t bytes) override;

 private:
  WearAccount& wear_;
};

}  // namespace tml::fw::mps2
