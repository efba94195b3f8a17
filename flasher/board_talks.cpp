// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/cli/table.hpp"
#include "common/flashlink/development_key.hpp"
#include "common/model/compile.hpp"
#include "flasher/board_talks.hpp"
#include "flasher/commands.hpp"
#include "flasher/object_text.hpp"
#include "flasher/objects.hpp"

namespace tml::flasher {
namespace {

using flashlink::Connection;
using flashlink::Session;
using model::version_text;
using serial::Awaitable;
using wire::flash::DeviceStatus;
using wire::flash::kNoSlot;
using wire::flash::Reboot;
using wire::flash::SlotInfo;

constexpr Millis kRestartWait{45'000};

}  // namespace

Awaitable<Result<void>> talk_verify(Connection& connection, const BoardCommand& command, cli::Reporter& reporter) {
  Session& session = connection.session();
  auto slots = co_await session.slots();
  if (!slots) co_return pass(std::move(slots.error()));
  bool damaged = false;
  for (const SlotInfo& known : *slots) {
    if (command.slot && *command.slot != known.slot) continue;
    if (!command.slot && known.state == SlotInfo::State::empty) continue;
    auto info = co_await session.verify(known.slot);
    if (!info) co_return pass(std::move(info.error()));
    const bool whole = info->state == SlotInfo::State::complete;
    damaged = damaged || info->state == SlotInfo::State::damaged || (command.slot && !whole);
    const std::string slot(wire::flash::slot_name(info->slot));
    reporter.event("verified", {{"slot", slot}, {"state", name(info->state)}},
                   slot + ": " +
                       (whole ? flashlink::text_of(info->payload_name) + " " + version_text(info->version) +
                                    ", every byte is what was signed"
                              : std::string(name(info->state))));
  }
  if (damaged) co_return fail(Errc::verification, "a slot does not hold what its manifest says", {}, "Write it again");
  co_return Result<void>();
}

namespace {

/// Lanes that a command is for: the one named, else all on trial. Errc::refused for none.
Result<std::vector<std::uint8_t>> lanes_of(const BoardCommand& command, const DeviceStatus& status) {
  if (command.lane) return std::vector<std::uint8_t>{*command.lane};
  std::vector<std::uint8_t> lanes;
  for (std::uint8_t lane = 0; lane < wire::flash::kLanes; ++lane) {
    if (status.trial[lane] != kNoSlot) lanes.push_back(lane);
  }
  if (lanes.empty())
    return fail(Errc::refused, "nothing is on trial", {}, "tml-flash info shows the slots; --lane names one");
  return lanes;
}

}  // namespace

Awaitable<Result<void>> talk_confirm(Connection& connection, const BoardCommand& command, cli::Reporter& reporter) {
  Session& session = connection.session();
  auto status = co_await session.status();
  if (!status) co_return pass(std::move(status.error()));
  const auto lanes = lanes_of(command, *status);
  if (!lanes) co_return pass(lanes.error());
  for (const std::uint8_t lane : *lanes) {
    auto confirmed = co_await session.confirm(lane);
    if (!confirmed) co_return confirmed;
    const std::string slot(wire::flash::slot_name(status->trial[lane]));
    reporter.event("confirmed", {{"slot", slot}}, slot + " is confirmed");
  }
  co_return Result<void>();
}

Awaitable<Result<void>> talk_revert(Connection& connection, const BoardCommand& command, cli::Reporter& reporter) {
  auto status = co_await connection.session().status();
  if (!status) co_return pass(std::move(status.error()));
  const auto lanes = lanes_of(command, *status);
  if (!lanes) co_return pass(lanes.error());
  bool restart = false;
  for (const std::uint8_t lane : *lanes) {
    auto slot = co_await connection.session().revert(lane);
    if (!slot) co_return pass(std::move(slot.error()));
    restart = restart || lane == 0;
    const std::string text(wire::flash::slot_name(*slot));
    reporter.event("reverted", {{"slot", text}},
                   text.empty() ? "Nothing is active in that lane" : text + " is active again");
  }
  if (!restart) co_return Result<void>();
  reporter.text("Restarting into the application...");
  auto back = co_await connection.reboot(Reboot::application, kRestartWait);
  if (back && !connection.session().in_bootloader())
    reporter.event("running", {{"app_version", version_text(connection.session().identity().app_version)}},
                   "Application " + version_text(connection.session().identity().app_version) + " runs");
  co_return back;
}

Awaitable<Result<void>> talk_erase(Connection& connection, const BoardCommand& command, cli::Reporter& reporter) {
  auto erased = co_await connection.session().erase(*command.slot);
  if (!erased) co_return erased;
  const std::string slot(wire::flash::slot_name(*command.slot));
  reporter.event("erased", {{"slot", slot}}, slot + " is empty");
  co_return Result<void>();
}

Awaitable<Result<void>> talk_tag(Connection& connection, const BoardCommand& command, cli::Reporter& reporter) {
  auto tagged = co_await connection.session().set_tag(command.tag);
  if (!tagged) co_return tagged;
  reporter.event("tagged", {{"tag", command.tag}},
                 command.tag.empty() ? "The tag is removed" : "The board is now \"" + command.tag + "\"");
  co_return Result<void>();
}

Awaitable<Result<void>> talk_reboot(Connection& connection, const BoardCommand& command, cli::Reporter& reporter) {
  const Reboot where = command.bootloader ? Reboot::bootloader : Reboot::application;
  auto back = co_await connection.reboot(where, kRestartWait);
  if (!back) co_return back;
  const auto& identity = connection.session().identity();
  const bool bootloader = connection.session().in_bootloader();
  reporter.event("rebooted", identity_json(identity),
                 bootloader ? "The bootloader answers, version " + version_text(identity.boot_version)
                            : "Application " + version_text(identity.app_version) + " runs");
  if (bootloader != command.bootloader)
    co_return fail(Errc::refused,
                   bootloader ? "the board stays in its bootloader" : "the board did not stay in its bootloader", {},
                   "tml-flash info and tml-flash read-log tell why");
  co_return Result<void>();
}

Awaitable<Result<void>> talk_log(Connection& connection, const BoardCommand& command, cli::Reporter& reporter) {
  auto log = co_await connection.session().log(command.records);
  if (!log) co_return pass(std::move(log.error()));
  std::vector<std::vector<std::string>> rows{{"number", "slot", "active", "on trial", "epochs", "what"}};
  auto list = nlohmann::json::array();
  const auto short_name = [](std::uint8_t slot) {
    return slot == kNoSlot ? std::string("-") : std::string(wire::flash::slot_name(slot));
  };
  for (const auto& record : *log) {
    list.push_back(record_json(record));
    std::string active;
    std::string trial;
    for (const auto& lane : record.lanes) {
      active += (active.empty() ? "" : " ") + short_name(lane.active);
      trial += (trial.empty() ? "" : " ") + short_name(lane.trial);
    }
    rows.push_back({std::to_string(record.sequence), short_name(record.slot), active, trial,
                    std::to_string(record.floors[0]) + " " + std::to_string(record.floors[1]) + " " +
                        std::to_string(record.floors[2]),
                    std::string(wire::flash::text(record.event))});
  }
  reporter.event("log", {{"records", std::move(list)}},
                 log->empty() ? "The boot log is empty" : cli::format_table(rows));
  co_return Result<void>();
}

}  // namespace tml::flasher
