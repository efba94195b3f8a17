// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The leap from the bootloader into an application, the CMSDK watchdog, and what both know of the last reset.
#pragma once

#include "firmware/hal/boot.hpp"

namespace tml::fw::mps2 {

/// The watchdog's first interrupt, which is not maskable: says so and resets. Its second one resets by itself.
void on_watchdog();

/// One instance in each image.
class BoardBoot final : public hal::BootPort {
 public:
  /// `boot_version`: of the bootloader that this image is; 0 in an application. `stack_bytes`: where to note how deep
  /// the stack has been before the leap.
  BoardBoot(std::uint32_t boot_version, std::uint32_t& stack_bytes);

  [[nodiscard]] wire::flash::BootReason reason() const override { return reason_; }
  [[nodiscard]] bool take_stay_request() override;
  void ask_to_stay() override;
  void reset(wire::flash::BootReason reason) override;
  void arm_watchdog(std::uint32_t ms) override;
  void feed_watchdog() override;
  /// The vector table's stack pointer and first instruction must lie in SRAM and in the slot: else a panic, because
  /// what gets here has been verified. In an application it is one, too.
  void start_application(std::uint8_t slot, std::uint32_t flash_offset) override;

  /// Of the bootloader: its own, or the one that started this application; 0: there is none.
  [[nodiscard]] std::uint32_t boot_version() const { return boot_version_; }

 private:
  wire::flash::BootReason reason_;
  std::uint32_t boot_version_;
  bool bootloader_;
  std::uint32_t& stack_bytes_;
};

}  // namespace tml::fw::mps2
