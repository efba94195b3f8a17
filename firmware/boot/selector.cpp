// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boot/selector.hpp"

namespace tml::fw::boot {

using update::Trailer;
using wire::flash::BootEvent;
using wire::flash::BootRecord;
using wire::flash::kLaneEmpty;
using wire::flash::kLanes;
using wire::flash::kNoSlot;
using wire::flash::Status;

void Selector::start() {
  trial_ = false;
  failed_ = kNoSlot;
  installer_.set_contract({});
  update::BootLog& log = installer_.log();
  const std::uint8_t trial = log.newest().lanes[0].trial;
  if (trial == kNoSlot || no_trial_) return consider_active();
  if (log.attempts_left(0) > 0) return consider(Candidate::trial, trial);
  BootRecord next = log.newest();
  next.event = BootEvent::attempts_exhausted;
  next.slot = trial;
  next.lanes[0].trial = kNoSlot;
  // Where it cannot be written the same is found at the next start.
  (void)log.append(next);
  consider_active();
}

void Selector::consider_active() {
  const std::uint8_t active = update::active_slot(installer_.flash(), parts_.slots, installer_.log(), 0);
  if (active == kNoSlot) {
    candidate_ = Candidate::nothing;
    return;
  }
  consider(Candidate::active, active);
}

void Selector::consider(Candidate candidate, std::uint8_t slot) {
  candidate_ = candidate;
  slot_ = slot;
  not_slot_ = static_cast<std::uint8_t>(~slot);
  Trailer trailer;
  const Status status = slot >= 2 ? Status::wrong_slot
                                  : update::check_trailer(installer_.flash(), parts_, installer_.keys(),
                                                          installer_.log(), slot, trailer, origin_);
  if (status != Status::ok || !origin_.passed()) return dismiss();
  installer_.set_contract(update::contract_of(trailer.manifest));
  payload_.start(parts_.slots[slot], trailer.manifest);
}

void Selector::dismiss() {
  installer_.distrust(slot_);
  installer_.set_contract({});
  origin_.fail();
  if (candidate_ == Candidate::trial) {
    update::BootLog& log = installer_.log();
    if (log.newest().lanes[0].trial == slot_) {
      BootRecord next = log.newest();
      next.event = BootEvent::verify_failed;
      next.slot = slot_;
      next.lanes[0].trial = kNoSlot;
      (void)log.append(next);
    }
    return consider_active();
  }
  if (candidate_ == Candidate::active && slot_ < 2) {
    failed_ = slot_;
    const auto other = static_cast<std::uint8_t>(slot_ ^ 1U);
    // A trial that failed is worse than recovery: it may look sound, and hang.
    BootRecord last;
    const bool gave_up = installer_.log().last_decision(0, last) && last.slot == other &&
                         (last.event == BootEvent::attempts_exhausted || last.event == BootEvent::verify_failed);
    if (!gave_up) return consider(Candidate::other, other);
  }
  candidate_ = Candidate::nothing;
}

bool Selector::step() {
  if (decided()) return false;
  if (payload_.step(installer_.flash())) return true;
  if (!payload_.verdict().passed()) {
    dismiss();
    return !decided();
  }
  choose();
  return false;
}

void Selector::choose() {
  source_ = candidate_;
  trial_ = candidate_ == Candidate::trial;
  if (candidate_ == Candidate::other) {
    BootRecord next = installer_.log().newest();
    next.event = BootEvent::verify_failed;
    next.slot = failed_;
    next.lanes[0].active = slot_;
    (void)installer_.log().append(next);
  }
  candidate_ = Candidate::decided;
}

void Selector::end_model_trials() {
  update::BootLog& log = installer_.log();
  for (std::uint8_t lane = 1; lane < kLanes; ++lane) {
    const std::uint8_t trial = log.newest().lanes[lane].trial;
    if (trial == kNoSlot || log.attempts_left(lane) > 0) continue;
    BootRecord next = log.newest();
    next.event = BootEvent::attempts_exhausted;
    next.slot = trial;
    next.lanes[lane].trial = kNoSlot;
    (void)log.append(next);
  }
}

bool Selector::launch(std::uint32_t watchdog_ms) {
  if (candidate_ != Candidate::decided) return false;
  update::BootLog& log = installer_.log();
  end_model_trials();
  std::uint8_t counted = trial_ ? 1 : 0;
  for (std::uint8_t lane = 1; lane < kLanes; ++lane) {
    if (log.attempts_left(lane) > 0) counted = static_cast<std::uint8_t>(counted | 1U << lane);
  }
  const std::uint8_t before = log.attempts_left(0);
  if (counted != 0 && !log.use_attempts(counted) && trial_ && log.attempts_left(0) >= before) {
    // A trial whose starts are not counted could fail for ever.
    no_trial_ = true;
    return false;
  }
  // A model on trial can hang the application just as well, and the other bank may never have run.
  if (counted != 0 || source_ == Candidate::other) parts_.port.arm_watchdog(watchdog_ms);
  // The second look, at copies: what decides is written down twice, as it is and as its complement.
  const update::Verdict origin = origin_;
  const update::Verdict payload = payload_.verdict();
  const volatile std::uint8_t slot = slot_;
  const volatile std::uint8_t not_slot = not_slot_;
  if (!origin.passed() || !payload.passed() || static_cast<std::uint8_t>(slot ^ not_slot) != 0xFF || slot >= 2) {
    candidate_ = Candidate::nothing;
    return false;
  }
  parts_.port.start_application(slot, parts_.slots[slot].offset);
  return true;
}

}  // namespace tml::fw::boot
