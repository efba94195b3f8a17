// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/goal.hpp"

#include <algorithm>
#include <array>

namespace tml::fw::mps2 {
namespace {

using namespace wire::flash;  // NOLINT: the link's words

constexpr std::uint16_t kListPiece = 16;
constexpr std::uint8_t kAttempts = 3;

}  // namespace

bool Pursuit::finish(Outcome outcome, Status status) {
  plan_.outcome = outcome;
  plan_.status = static_cast<std::uint32_t>(status);
  return true;
}

Status Pursuit::run(update::Progress progress) {
  while (!progress.done) progress = installer_.step();
  return progress.status;
}

Status Pursuit::store_missing() {
  for (std::uint16_t chunk = 0; chunk < installer_.chunk_count(); ++chunk) {
    if (installer_.have(chunk)) continue;
    const std::uint32_t first = plan_.object_offset + static_cast<std::uint32_t>(kManifestBytes) +
                                installer_.chunk_count() * static_cast<std::uint32_t>(kHashBytes);
    const auto bytes =
        flash_.mapped(first + chunk * static_cast<std::uint32_t>(kChunkBytes), installer_.chunk_bytes(chunk));
    ++plan_.stored;
    const Status stored = run(installer_.store(chunk, Encoding::raw, bytes));
    if (stored != Status::ok) return stored;
  }
  return Status::ok;
}

Status Pursuit::install() {
  const auto slot = static_cast<std::uint8_t>(plan_.slot);
  const auto manifest = std::as_bytes(flash_.mapped(plan_.object_offset, kManifestBytes));
  const Begin request{.slot = slot, .base_slot = kNoSlot, .flags = kBeginOrphanModels};
  Status status = run(installer_.begin(request, manifest));
  const std::uint16_t count = installer_.chunk_count();
  while (status == Status::ok && installer_.begun().state == Begun::State::receiving_list) {
    const std::uint16_t first = installer_.begun().chunks;
    if (first >= count) return Status::internal;
    const std::uint16_t entries = std::min<std::uint16_t>(kListPiece, count - first);
    const std::uint32_t at = plan_.object_offset + static_cast<std::uint32_t>(kManifestBytes + first * kHashBytes);
    status = run(installer_.list(first, std::as_bytes(flash_.mapped(at, entries * kHashBytes))));
  }
  if (status == Status::ok && installer_.begun().state == Begun::State::receiving) status = store_missing();
  if (status == Status::ok && installer_.begun().state != Begun::State::active) status = run(installer_.commit(slot));
  if (status == Status::ok) status = run(installer_.select({.slot = slot, .permanent = 0, .attempts = kAttempts}));
  return status;
}

bool Pursuit::visit() {
  const auto slot = static_cast<std::uint8_t>(plan_.slot);
  const std::uint8_t lane = lane_of(slot);
  const DeviceStatus now = installer_.status();
  const bool goes_back = plan_.goal == Goal::revert && plan_.tried != 0;
  Status status = Status::ok;
  if (now.trial[lane] == slot) {
    plan_.tried = 1;
    if (plan_.goal == Goal::exhaust) return false;
    status = run(installer_.confirm(lane));
    // A start that the flash would not let be counted did not happen: the next reset tries again.
    if (status == Status::not_ready) return false;
  } else if (now.active[lane] == slot && plan_.goal == Goal::install) {
    return finish(Outcome::reached);
  } else if (now.active[lane] == slot && plan_.goal == Goal::revert) {
    plan_.tried = 1;
    std::uint8_t active = kNoSlot;
    status = run(installer_.revert(lane, active));
    if (status == Status::ok) plan_.reverted = 1;
  } else if (goes_back || (plan_.goal == Goal::exhaust && plan_.tried != 0)) {
    return finish(Outcome::reached);
  } else {
    status = install();
  }
  // A flash that failed once is asked again, as a person would.
  const bool flash_failed =
      status == Status::erase_failed || status == Status::program_failed || status == Status::verify_failed;
  if (status != Status::ok && !flash_failed) return finish(Outcome::refused, status);
  return false;
}

}  // namespace tml::fw::mps2
