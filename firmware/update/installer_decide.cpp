// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What runs: SELECT, CONFIRM, REVERT. Each is one record of the boot log.
#include <algorithm>

#include "firmware/update/installer.hpp"

namespace tml::fw::update {

using wire::flash::BootEvent;
using wire::flash::BootRecord;
using wire::flash::kLaneEmpty;
using wire::flash::kLanes;
using wire::flash::kNoSlot;
using wire::flash::ObjectClass;
using wire::flash::Status;

BootRecord Installer::next_record(BootEvent event, std::uint8_t slot) const {
  BootRecord next = log_.newest();
  next.event = event;
  next.slot = slot;
  return next;
}

Progress Installer::record(const BootRecord& next, std::uint8_t fresh_lane, std::uint8_t attempts) {
  return finish(log_.append(next, fresh_lane, attempts) ? Status::ok : Status::program_failed);
}

Status Installer::check_selectable(std::uint8_t slot, Trailer& trailer) const {
  Verdict verdict;
  if (const Status status = check_trailer(flash_, parts_, keys_, log_, slot, trailer, verdict); status != Status::ok)
    return status;
  if (!verdict.passed()) return Status::bad_signature;
  return trailer.manifest.object == ObjectClass::model ? fits_contract(trailer.manifest, contract_) : Status::ok;
}

// The models of both lanes have one floor: what the other one runs must not be left below it.
Status Installer::raise_floor(BootRecord& next, std::uint8_t lane, const wire::flash::Manifest& manifest) const {
  std::uint32_t& floor = next.floors[floor_index(manifest.object)];
  if (manifest.epoch <= floor) return Status::ok;
  floor = manifest.epoch;
  if (lane == 0) return Status::ok;
  const std::uint8_t other = running(static_cast<std::uint8_t>(kLanes - lane));
  if (!exists(other)) return Status::ok;
  Trailer trailer;
  read_trailer(flash_, region(other), trailer);
  return trailer.sealed && trailer.manifest.epoch < floor ? Status::rollback : Status::ok;
}

Progress Installer::select(const wire::flash::Select& request) {
  if (working()) return {true, Status::busy, 0};
  if (!exists(request.slot)) return {true, Status::bad_argument, 0};
  const std::uint8_t lane = wire::flash::lane_of(request.slot);
  if (lane == kNoSlot) return {true, Status::wrong_slot, 0};
  const bool permanent = request.permanent != 0;
  if (!permanent && (request.attempts < 1 || request.attempts > kMaxAttempts)) return {true, Status::bad_argument, 0};
  Trailer trailer;
  if (const Status status = check_selectable(request.slot, trailer); status != Status::ok) return {true, status, 0};

  BootRecord next = next_record(BootEvent::selected, request.slot);
  wire::flash::Lane& there = next.lanes[lane];
  const wire::flash::Lane before = there;
  const std::uint8_t active = active_slot(flash_, parts_.slots, log_, lane);
  if (permanent || active == request.slot) {
    there = {request.slot, kNoSlot};
    const Status status = permanent ? raise_floor(next, lane, trailer.manifest) : Status::ok;
    if (status != Status::ok) return {true, status, 0};
    if (there.active == before.active && before.trial == kNoSlot && next.floors == log_.newest().floors) return {};
    return permanent ? decide(next, request.slot, trailer.manifest) : record(next);
  }
  const bool again = before.trial == request.slot && log_.attempts_left(lane) == request.attempts &&
                     log_.attempts_granted(lane) == request.attempts;
  if (again) return {};
  // What the factory left to chance is written down now: when the trial fails, what ran before it runs again.
  there = {active == kNoSlot ? kLaneEmpty : active, request.slot};
  return record(next, lane, request.attempts);
}

Progress Installer::confirm(std::uint8_t lane) {
  if (working()) return {true, Status::busy, 0};
  if (lane >= kLanes) return {true, Status::bad_argument, 0};
  const std::uint8_t trial = log_.newest().lanes[lane].trial;
  if (trial == kNoSlot) return {true, Status::nothing_on_trial, 0};
  if (lane == 0 && log_.attempts_left(lane) == log_.attempts_granted(lane)) return {true, Status::not_ready, 0};
  Trailer trailer;
  if (const Status status = check_selectable(trial, trailer); status != Status::ok) return {true, status, 0};
  BootRecord next = next_record(BootEvent::confirmed, trial);
  next.lanes[lane] = {trial, kNoSlot};
  if (const Status status = raise_floor(next, lane, trailer.manifest); status != Status::ok) return {true, status, 0};
  // An application was hashed when its trial was started.
  return lane == 0 ? record(next) : decide(next, trial, trailer.manifest);
}

Progress Installer::revert(std::uint8_t lane, std::uint8_t& slot) {
  if (working()) return {true, Status::busy, 0};
  if (lane >= kLanes) return {true, Status::bad_argument, 0};
  slot = active_slot(flash_, parts_.slots, log_, lane);
  const std::uint8_t trial = log_.newest().lanes[lane].trial;
  if (trial != kNoSlot) {
    BootRecord next = next_record(BootEvent::reverted, trial);
    next.lanes[lane].trial = kNoSlot;
    return record(next);
  }
  // Whoever asks twice, because an answer was lost, must not end up with what he wanted to get rid of.
  BootRecord last;
  if (!log_.last_decision(lane, last)) return {true, Status::nothing_on_trial, 0};
  const bool confirmed =
      last.event == BootEvent::confirmed || (last.event == BootEvent::selected && last.lanes[lane].active == last.slot);
  if (!confirmed) return {};
  const auto other = static_cast<std::uint8_t>(slot ^ 1U);
  if (slot == kNoSlot || !exists(other)) return {true, Status::nothing_on_trial, 0};
  Trailer trailer;
  if (const Status status = check_selectable(other, trailer); status != Status::ok) return {true, status, 0};
  BootRecord next = next_record(BootEvent::reverted, slot);
  next.lanes[lane] = {other, kNoSlot};
  return decide(next, other, trailer.manifest, &slot);
}

// No other record comes in between: one operation at a time.
Progress Installer::decide(const BootRecord& next, std::uint8_t slot, const wire::flash::Manifest& manifest,
                           std::uint8_t* now_active) {
  decision_ = next;
  subject_ = slot;
  reverted_to_ = now_active;
  check_.start(region(slot), manifest);
  work_ = Work::decide;
  return going_on(0, 100);
}

Progress Installer::step_decide() {
  if (check_.step(flash_)) return {false, Status::ok, check_.percent()};
  if (!check_.verdict().passed()) return finish(Status::verify_failed);
  const Progress done = record(decision_);
  if (done.status == Status::ok && reverted_to_ != nullptr) *reverted_to_ = subject_;
  return done;
}

}  // namespace tml::fw::update
