// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Whether what lies in a slot may run: the checks that bootloader and engine share.
#pragma once

#include <cstdint>
#include <span>

#include "common/wire/boot_record.hpp"
#include "common/wire/flash_link.hpp"
#include "firmware/update/boot_log.hpp"
#include "firmware/update/keys.hpp"
#include "firmware/update/parts.hpp"
#include "firmware/update/timed_flash.hpp"
#include "firmware/update/trailer.hpp"
#include "firmware/update/verify.hpp"

namespace tml::fw::update {

/// Everything about a slot's trailer that the log and the keys decide: not_ready (no trailer), not_complete (never
/// committed), wrong_product, wrong_hardware, wrong_slot, unknown_key, revoked_key, development_key, bad_signature,
/// rollback (below the floor of its class), ok. `trailer` is filled; `verdict` has passed only with ok.
[[nodiscard]] wire::flash::Status check_trailer(TimedFlash& flash, const Parts& parts, const KeyRing& keys,
                                                const BootLog& log, std::uint8_t slot, Trailer& trailer,
                                                Verdict& verdict);

/// Hashes a payload in flash, a chunk per step.
class PayloadCheck {
 public:
  void start(hal::FlashRegion slot, const wire::flash::Manifest& manifest);
  /// True: call again. False: verdict() is final (not passed also when the flash cannot be read).
  bool step(TimedFlash& flash);
  [[nodiscard]] const Verdict& verdict() const { return verdict_; }
  [[nodiscard]] std::uint8_t percent() const;

 private:
  std::uint32_t offset_ = 0;
  std::uint32_t bytes_ = 0;
  std::uint32_t done_ = 0;
  Hash expected_{};
  Sha256 sha_;
  Verdict verdict_;
};

/// What the lane holds while the log has never decided about it ("Factory state" in docs/image-format.md): bank A when
/// its trailer has the factory's word, or when it holds a model package without any trailer; else B, else kNoSlot.
[[nodiscard]] std::uint8_t factory_slot(TimedFlash& flash, std::span<const hal::FlashRegion> slots, std::uint8_t lane);
/// Active slot of a lane by the log, else factory_slot(); kNoSlot: none.
[[nodiscard]] std::uint8_t active_slot(TimedFlash& flash, std::span<const hal::FlashRegion> slots, const BootLog& log,
                                       std::uint8_t lane);
/// What the lane runs: its trial, else active_slot().
[[nodiscard]] std::uint8_t running_slot(TimedFlash& flash, std::span<const hal::FlashRegion> slots, const BootLog& log,
                                        std::uint8_t lane);

}  // namespace tml::fw::update
