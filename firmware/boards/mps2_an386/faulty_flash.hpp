// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The board's flash under a plan: counts operations, fails the ones that the plan names, and resets.
#pragma once

#include "firmware/boards/mps2_an386/fault_plan.hpp"
#include "firmware/boards/mps2_an386/psram_flash.hpp"

namespace tml::fw::mps2 {

/// Beyond the rules of PsramFlash it is a panic to program anything but zeros into a sector whose erase was torn.
class FaultyFlash final : public hal::Flash {
 public:
  FaultyFlash(PsramFlash& flash, FaultPlan& plan) : flash_(flash), plan_(plan) {}

  [[nodiscard]] std::uint32_t size_bytes() const override { return flash_.size_bytes(); }
  [[nodiscard]] bool read(std::uint32_t offset, std::span<std::uint8_t> into) override;
  [[nodiscard]] bool program(std::uint32_t offset, std::span<const std::uint8_t> bytes) override;
  [[nodiscard]] bool erase_sector(std::uint32_t offset) override;
  /// Nothing for a range with an unstable sector in it, as its content cannot be told.
  [[nodiscard]] std::span<const std::uint8_t> mapped(std::uint32_t offset, std::uint32_t bytes) override;

 private:
  /// The fault of this operation, counted; nullptr: none.
  [[nodiscard]] const Fault* next_fault();
  [[nodiscard]] std::uint32_t random();
  void shake(std::uint32_t offset, std::size_t bytes);
  [[nodiscard]] bool unstable(std::uint32_t offset, std::size_t bytes) const;
  void settle(std::uint32_t sector);

  PsramFlash& flash_;
  FaultPlan& plan_;
};

}  // namespace tml::fw::mps2
