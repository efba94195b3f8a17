// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// AT+BOOTMODE, AT+SLOTS?, AT+CONFIRM and AT+REVERT: updates for somebody at the console (docs/firmware.md).
#include <algorithm>
#include <array>

#include "firmware/app/handlers.hpp"
#include "firmware/app/impulse_text.hpp"

namespace tml::fw::app::handlers {

using wire::flash::kLanes;
using wire::flash::kNoSlot;
using wire::flash::SlotInfo;
using wire::flash::Status;

namespace {

constexpr std::array<std::string_view, kLanes> kLaneNames{"app", "model-0", "model-1"};

void refuse(Services& services, Status status) { print_error(services, wire::flash::text(status)); }

// Nullptr, and an answer, when this board has no engine or it is at work for the flash link.
const UpdateEngine* engine_of(Services& services) {
  const UpdateEngine* const engine = services.board.update;
  if (engine == nullptr) {
    print_error(services, "this board has no update engine");
    return nullptr;
  }
  if (!engine->installer.working() && !engine->installer.receiving()) return engine;
  print_error(services, "an update is under way");
  return nullptr;
}

// A decision is one record in the log; going back hashes what ran before, a MiB at most.
Status run_to_end(update::Installer& installer, update::Progress progress) {
  constexpr unsigned kMostSteps = 4096;
  for (unsigned n = 0; !progress.done && n < kMostSteps; ++n) progress = installer.step();
  return progress.done ? progress.status : Status::internal;
}

std::uint8_t read_lane(Services& services, const wire::AtRequest& request) {
  const auto found = std::find(kLaneNames.begin(), kLaneNames.end(), request.arg(0));
  if (found != kLaneNames.end()) return static_cast<std::uint8_t>(found - kLaneNames.begin());
  print_error(services, "the lane must be app, model-0 or model-1");
  return kNoSlot;
}

void tell_change(Machine& machine, std::uint8_t lane) {
  if (lane > 0) machine.slots.lane_changed(lane - 1U);
}

std::string_view state_name(SlotInfo::State state) {
  switch (state) {
    case SlotInfo::State::empty:
      return "empty";
    case SlotInfo::State::partial:
      return "partial";
    case SlotInfo::State::complete:
      return "complete";
    case SlotInfo::State::damaged:
      return "damaged";
  }
  return "unknown";
}

void print_slot(Services& services, update::Installer& installer, std::uint8_t slot) {
  SlotInfo info;
  installer.describe(slot, info);
  Line line;
  line.put("Slot ").put(wire::flash::slot_name(slot)).put(": ").put(state_name(info.state));
  const bool named = info.version != 0 || info.payload_bytes != 0;
  if (named) {
    line.put(", version ");
    put_version(line, info.version);
    line.put(", ").number(info.payload_bytes).put(" bytes");
  }
  const std::uint8_t lane = wire::flash::lane_of(slot);
  if (lane != kNoSlot) {
    const wire::flash::Lane& decided = installer.log().newest().lanes[lane];
    if (decided.trial == slot) line.put(", trial, starts left ").number(installer.log().attempts_left(lane));
    if (decided.trial != slot && installer.running(lane) == slot) line.put(", active");
    if (decided.trial != kNoSlot && decided.trial != slot && decided.active == slot) line.put(", active");
  }
  services.out.text(line.view());
  const auto end = std::find(info.payload_name.begin(), info.payload_name.end(), '\0');
  if (named && end != info.payload_name.begin()) {
    services.out.text(", ");
    wire::write_without_prompt({info.payload_name.data(), static_cast<std::size_t>(end - info.payload_name.begin())},
                               services.sink());
  }
  services.out.text("\n");
}

}  // namespace

Job* boot_mode(Machine& machine, const wire::AtRequest&) {
  if (machine.services.board.update == nullptr) {
    print_error(machine.services, "no bootloader");
    return nullptr;
  }
  machine.services.out.text("OK\n");
  machine.reset_wanted = true;
  machine.bootloader_wanted = true;
  return nullptr;
}

Job* slots(Machine& machine, const wire::AtRequest&) {
  Services& services = machine.services;
  if (services.board.update == nullptr) {
    print_error(services, "this board has no update engine");
    return nullptr;
  }
  for (std::uint8_t slot = 0; slot < services.board.update->parts.slots.size(); ++slot) {
    if (services.board.update->parts.slots[slot].size_bytes > 0)
      print_slot(services, services.board.update->installer, slot);
  }
  return nullptr;
}

Job* confirm_all(Machine& machine, const wire::AtRequest&) {
  Services& services = machine.services;
  const UpdateEngine* const engine = engine_of(services);
  if (engine == nullptr) return nullptr;
  Status status = Status::nothing_on_trial;
  for (std::uint8_t lane = 0; lane < kLanes; ++lane) {
    if (engine->installer.log().newest().lanes[lane].trial == kNoSlot) continue;
    status = run_to_end(engine->installer, engine->installer.confirm(lane));
    if (status != Status::ok) break;
    tell_change(machine, lane);
  }
  if (status == Status::ok) {
    services.out.text("OK\n");
  } else {
    refuse(services, status);
  }
  return nullptr;
}

Job* confirm(Machine& machine, const wire::AtRequest& request) {
  Services& services = machine.services;
  const std::uint8_t lane = read_lane(services, request);
  const UpdateEngine* const engine = lane == kNoSlot ? nullptr : engine_of(services);
  if (engine == nullptr) return nullptr;
  const Status status = run_to_end(engine->installer, engine->installer.confirm(lane));
  if (status != Status::ok) {
    refuse(services, status);
    return nullptr;
  }
  tell_change(machine, lane);
  services.out.text("OK\n");
  return nullptr;
}

Job* revert(Machine& machine, const wire::AtRequest& request) {
  Services& services = machine.services;
  const std::uint8_t lane = read_lane(services, request);
  const UpdateEngine* const engine = lane == kNoSlot ? nullptr : engine_of(services);
  if (engine == nullptr) return nullptr;
  std::uint8_t slot = kNoSlot;
  const Status status = run_to_end(engine->installer, engine->installer.revert(lane, slot));
  if (status != Status::ok) {
    refuse(services, status);
    return nullptr;
  }
  tell_change(machine, lane);
  Line line;
  line.put("Active: ").put(slot == kNoSlot ? std::string_view("none") : wire::flash::slot_name(slot));
  if (lane == 0) line.put(", after the next restart");
  services.out.text(line.put("\nOK\n").view());
  return nullptr;
}

}  // namespace tml::fw::app::handlers
