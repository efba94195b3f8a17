// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "common/flashlink/update_job.hpp"

namespace tml::flashlink {
namespace {

using wire::flash::DeviceStatus;
using wire::flash::Identity;
using wire::flash::kNoSlot;
using wire::flash::lane_of;
using wire::flash::ObjectClass;
using wire::flash::Slot;
using wire::flash::slot_name;
using wire::flash::slot_of;

constexpr auto kDataSlot = static_cast<std::uint8_t>(Slot::data);

bool fits_slot(const SignedObject& object, std::uint8_t slot) { return (object.manifest.slots >> slot & 1U) != 0; }

bool fits_board(const SignedObject& object, const Identity& board) {
  const auto& m = object.manifest;
  const bool product = m.product[0] == '\0' || text_of(m.product) == text_of(board.product);
  return product && board.hardware >= m.hardware_first && board.hardware <= m.hardware_last;
}

/// The object of the file that fits the board and the slot, if there is one.
const SignedObject* find(std::span<const SignedObject> objects, const Identity& board, std::uint8_t slot) {
  const auto it = std::find_if(objects.begin(), objects.end(), [&](const SignedObject& object) {
    return fits_slot(object, slot) && fits_board(object, board);
  });
  return it == objects.end() ? nullptr : &*it;
}

tl::unexpected<Error> wrong_board(const SignedObject& object, const Identity& board) {
  const auto& m = object.manifest;
  const std::string wanted = text_of(m.product);
  const std::string product = text_of(board.product);
  if (!wanted.empty() && wanted != product)
    return fail(Errc::verification, "this is for " + wanted + ", the board is a " + product, text_of(m.name),
                "Take the file for " + product + ", or another board with --port");
  return fail(Errc::verification,
              "this is for hardware revisions " + std::to_string(m.hardware_first) + " to " +
                  std::to_string(m.hardware_last) + ", the board is revision " + std::to_string(board.hardware),
              text_of(m.name), "Take the file for this revision, or another board with --port");
}

bool in_use(const DeviceStatus& status, std::uint8_t slot) {
  const std::uint8_t lane = lane_of(slot);
  return lane != kNoSlot && (status.active[lane] == slot || status.trial[lane] == slot);
}

tl::unexpected<Error> occupied(const DeviceStatus& status, std::uint8_t slot) {
  const bool trial = status.trial[lane_of(slot)] == slot;
  return fail(
      Errc::refused,
      std::string(slot_name(slot)) + (trial ? " is on trial" : " is what the board runs") + " and cannot be written",
      {}, trial ? "Run tml-flash confirm or tml-flash revert first" : "Leave --slot out, or name the other slot");
}

/// In the order of preference; the other bank first where it is not known which one runs.
std::array<std::uint8_t, 2> banks(std::uint8_t lane, const Identity& board, const DeviceStatus& status) {
  const std::uint8_t a = slot_of(lane, 0);
  const std::uint8_t b = slot_of(lane, 1);
  const bool nothing_runs = lane == 0 && board.mode == wire::flash::Mode::bootloader;
  if (status.active[lane] == b || (status.active[lane] == kNoSlot && nothing_runs)) return {a, b};
  return {b, a};
}

}  // namespace

Result<Choice> choose_slot(std::span<const SignedObject> objects, const Identity& board, const DeviceStatus& status,
                           const JobOptions& options) {
  if (objects.empty()) return fail(Errc::usage, "there is nothing to flash");
  const auto fitting = std::find_if(objects.begin(), objects.end(),
                                    [&board](const SignedObject& object) { return fits_board(object, board); });
  if (fitting == objects.end()) return wrong_board(objects.front(), board);
  if (fitting->manifest.object == ObjectClass::keyset)
    return fail(Errc::usage, "this is a key set, nothing for a slot", {},
                "Install it with tml-flash keys --install FILE");
  Choice choice;
  if (options.slot) {
    choice.slot = *options.slot;
    choice.object = find(objects, board, choice.slot);
    if (choice.object == nullptr)
      return fail(Errc::verification, "nothing in this file may lie in " + std::string(slot_name(choice.slot)),
                  text_of(fitting->manifest.name),
                  fitting->manifest.object == ObjectClass::app
                      ? "An image runs where it was linked for; sign one for that slot"
                      : "Leave --slot out; --stage 1 is for a model of the second stage");
    if (in_use(status, choice.slot)) return occupied(status, choice.slot);
  } else if (fitting->manifest.object == ObjectClass::data) {
    choice = {kDataSlot, kNoSlot, find(objects, board, kDataSlot)};
  } else {
    const auto lane = static_cast<std::uint8_t>(fitting->manifest.object == ObjectClass::app ? 0 : 1 + options.stage);
    std::uint8_t last_used = kNoSlot;
    for (const std::uint8_t slot : banks(lane, board, status)) {
      const SignedObject* object = find(objects, board, slot);
      if (object == nullptr) continue;
      if (in_use(status, slot)) {
        last_used = slot;
        continue;
      }
      choice.slot = slot;
      choice.object = object;
      break;
    }
    if (choice.object == nullptr && last_used != kNoSlot) {
      const bool both = status.trial[lane] != kNoSlot;
      if (both) return occupied(status, status.trial[lane]);
      return fail(Errc::verification,
                  "this image is linked for " + std::string(slot_name(last_used)) + ", which the board runs from",
                  text_of(fitting->manifest.name), "Take a signed file with an image for each slot");
    }
  }
  if (choice.object == nullptr)
    return fail(Errc::verification, "nothing in this file fits a slot of the board", text_of(fitting->manifest.name));
  const std::uint8_t lane = lane_of(choice.slot);
  if (options.use_base && lane != kNoSlot && status.active[lane] != choice.slot) choice.base_slot = status.active[lane];
  return choice;
}

}  // namespace tml::flashlink
