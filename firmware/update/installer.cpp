// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/update/installer.hpp"

#include <algorithm>

namespace tml::fw::update {

using wire::flash::kLanes;
using wire::flash::kNoSlot;
using wire::flash::Status;

Installer::Installer(const Parts& parts, const Memory& memory)
    : parts_(parts),
      memory_(memory),
      flash_(parts.flash, parts.clock),
      log_(flash_, parts.boot_control),
      keys_(flash_, parts.keys, parts.trust),
      inflate_(memory.inflate) {}

void Installer::mount() {
  log_.mount();
  keys_.mount(log_.newest().keyset_version);
}

Progress Installer::finish(Status status) {
  work_ = Work::none;
  return {true, status, 100};
}

Progress Installer::going_on(std::uint32_t part, std::uint32_t whole) {
  // Numbers of chunks, sectors, or bytes of one: 32 bits hold a hundred times that, and need no division of 64.
  return {false, Status::ok, static_cast<std::uint8_t>(whole == 0 ? 0 : part * 100 / whole)};
}

bool Installer::exists(std::uint8_t slot) const {
  return slot < parts_.slots.size() && slot < wire::flash::kSlots && payload_capacity(parts_.slots[slot]) > 0;
}

std::uint8_t Installer::running(std::uint8_t lane) const { return running_slot(flash_, parts_.slots, log_, lane); }

bool Installer::in_use(std::uint8_t slot) const {
  const std::uint8_t lane = wire::flash::lane_of(slot);
  if (lane == kNoSlot) return false;
  return slot == own_slot_ || log_.newest().lanes[lane].trial == slot ||
         active_slot(flash_, parts_.slots, log_, lane) == slot;
}

Progress Installer::step() {
  switch (work_) {
    case Work::none:
      return {};
    case Work::prepare:
      return step_prepare();
    case Work::resume:
      return step_resume();
    case Work::store:
      return step_store();
    case Work::copy:
      return step_copy();
    case Work::commit:
      return step_commit();
    case Work::decide:
      return step_decide();
    case Work::erase:
      return step_erase();
    case Work::verify:
      return step_verify();
    case Work::set_keys:
      return step_set_keys();
  }
  return finish(Status::internal);
}

void Installer::abort() {
  // A half-written sector needs no care: its chunk is not noted as stored, so it will be erased before it is used.
  ++transfer_number_;
  work_ = Work::none;
  transfer_.open = false;
  transfer_.listed = false;
  transfer_.staged = false;
}

wire::flash::DeviceStatus Installer::status() const {
  using Link = wire::flash::DeviceStatus::Link;
  wire::flash::DeviceStatus status;
  if (transfer_.open) {
    const bool resuming = work_ == Work::prepare || work_ == Work::resume;
    status.link = !transfer_.listed ? Link::list : resuming ? Link::resuming : Link::receiving;
  } else if (transfer_.staged) {
    status.link = Link::staged;
  }
  if (status.link != Link::idle) {
    status.slot = transfer_.request.slot;
    status.chunks_done = begun_.chunks;
    status.chunk_count = chunk_count();
  }
  for (std::uint8_t lane = 0; lane < kLanes; ++lane) {
    status.active[lane] = active_slot(flash_, parts_.slots, log_, lane);
    status.trial[lane] = log_.newest().lanes[lane].trial;
    status.attempts[lane] = log_.attempts_left(lane);
  }
  status.erases = flash_.erases();
  return status;
}

wire::flash::Counters Installer::counters() const {
  wire::flash::Counters counters;
  counters.floors = log_.newest().floors;
  counters.keyset_version = keys_.version();
  counters.log_sequence = log_.newest().sequence;
  counters.bad_signatures = limit_.failures();
  return counters;
}

}  // namespace tml::fw::update
