// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Which application starts: the trial while it has starts left, else the active one, else the other bank, else none.
// Whatever starts was checked in full since this reset: signature, key, product, hardware, security epoch, and the hash
// of its payload. docs/image-format.md, "What starts".
#pragma once

#include <cstdint>

#include "firmware/update/installer.hpp"
#include "firmware/update/parts.hpp"
#include "firmware/update/slot_check.hpp"
#include "firmware/update/verify.hpp"

namespace tml::fw::boot {

/// One thread. Writes to the boot log only: verify_failed, attempts_exhausted, and the bits of the attempts.
class Selector {
 public:
  Selector(update::Installer& installer, const update::Parts& parts) : installer_(installer), parts_(parts) {}
  Selector(const Selector&) = delete;
  Selector& operator=(const Selector&) = delete;

  /// Begins: the log is mounted. Tells the installer the contract of what is going to run. May be called again at any
  /// time, for what the log says by then.
  void start();
  /// One bounded step (a chunk of hashing, or one signature). True: there is more to do.
  bool step();
  [[nodiscard]] bool decided() const { return candidate_ == Candidate::decided || candidate_ == Candidate::nothing; }
  /// With decided(): the slot, or kNoSlot: no application is fit to run.
  [[nodiscard]] std::uint8_t slot() const { return candidate_ == Candidate::decided ? slot_ : wire::flash::kNoSlot; }
  [[nodiscard]] bool trial() const { return trial_; }

  /// Counts the start of every trial (also of models), arms the watchdog while anything is on trial or the other
  /// bank steps in, looks at the
  /// decision once more and leaves for it. False: it was not started, decide again with start(). True: on a board where
  /// start_application() returns, this bootloader is finished.
  bool launch(std::uint32_t watchdog_ms);

 private:
  enum class Candidate : std::uint8_t { trial, active, other, decided, nothing };

  void consider(Candidate candidate, std::uint8_t slot);
  void consider_active();
  void dismiss();
  void choose();
  void end_model_trials();

  update::Installer& installer_;
  const update::Parts& parts_;
  Candidate candidate_ = Candidate::nothing;
  Candidate source_ = Candidate::nothing;  ///< Of the decision.
  std::uint8_t slot_ = wire::flash::kNoSlot;
  std::uint8_t not_slot_ = static_cast<std::uint8_t>(~wire::flash::kNoSlot);  ///< Complement of slot_.
  std::uint8_t failed_ = wire::flash::kNoSlot;                                ///< The active one that was dismissed.
  bool trial_ = false;
  bool no_trial_ = false;  ///< Its starts cannot be counted.
  update::Verdict origin_;
  update::PayloadCheck payload_;
};

}  // namespace tml::fw::boot
