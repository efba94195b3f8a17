// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "common/cli/table.hpp"
#include "common/model/compile.hpp"
#include "flasher/board_talks.hpp"
#include "flasher/commands.hpp"
#include "flasher/object_text.hpp"
#include "flasher/objects.hpp"
#include "flasher/on_board.hpp"

namespace tml::flasher {
namespace {

using flashlink::Connection;
using flashlink::Session;
using model::version_text;
using serial::Awaitable;
using wire::flash::DeviceStatus;
using wire::flash::Identity;
using wire::flash::SlotInfo;

using Rows = std::vector<std::vector<std::string>>;

std::string heading(const Identity& identity, const std::string& port) {
  std::string text = "Board on " + port + ": " + identity_line(identity) + "\n";
  const bool bootloader = identity.mode == wire::flash::Mode::bootloader;
  text += bootloader ? "In its bootloader, version " + version_text(identity.boot_version)
                     : "Runs application " + version_text(identity.app_version) + ", bootloader " +
                           version_text(identity.boot_version);
  text += ", after " + std::string(name(identity.reason));
  if ((identity.caps & wire::flash::kCapRelease) != 0) text += "; a release build: no development key";
  return text;
}

Rows slot_rows(const std::vector<SlotInfo>& slots, const DeviceStatus& status) {
  Rows rows{{"slot", "state", "", "name", "version", "epoch", "bytes", "room", "key"}};
  for (const auto& info : slots) {
    const bool filled = info.payload_bytes != 0;
    rows.push_back({std::string(wire::flash::slot_name(info.slot)), std::string(name(info.state)),
                    role_of(info.slot, status), filled ? flashlink::text_of(info.payload_name) : "",
                    filled ? version_text(info.version) : "", filled ? std::to_string(info.epoch) : "",
                    filled ? std::to_string(info.payload_bytes) : "", std::to_string(info.capacity),
                    filled ? flashlink::hex(info.key_id) : ""});
  }
  return rows;
}

std::string classes_text(std::uint8_t classes) {
  std::string text;
  for (unsigned n = 0; n < 3; ++n) {
    if ((classes >> n & 1U) == 0) continue;
    text += (text.empty() ? "" : ", ");
    text += wire::flash::name(static_cast<wire::flash::ObjectClass>(n));
  }
  return text;
}

nlohmann::json keys_json(const Session::Keys& keys) {
  auto list = nlohmann::json::array();
  for (const auto& key : keys.keys)
    list.push_back({{"id", flashlink::hex(key.id)},
                    {"state", key.state == 0 ? "active" : "revoked"},
                    {"signs", classes_text(key.classes)}});
  return list;
}

std::string keys_text(const Session::Keys& keys) {
  if (keys.version == 0 && keys.keys.empty())
    return "Keys: none yet; tml-flash keys --install gives the board its first set";
  std::string text = keys.version == 0 ? "Keys: the set that is built in" : "Keys: set " + std::to_string(keys.version);
  for (const auto& key : keys.keys)
    text += "\n  " + key_text(key.id) + (key.state == 0 ? " signs " + classes_text(key.classes) : " revoked");
  return text;
}

bool needs_nothing(const BoardCommand& command) { return command.what != BoardCommand::What::erase; }

/// Before anything is opened: whether an erasure is meant.
Result<void> ask_before(const BoardCommand& command, const Surroundings& around) {
  if (needs_nothing(command) || command.yes) return {};
  const std::string slot(wire::flash::slot_name(*command.slot));
  const auto sure = cli::Prompt(around.may_ask).confirm("Erase " + slot + "?", "--yes", false);
  if (!sure) return pass(sure.error());
  if (!*sure) return fail(Errc::interrupted, "nothing was erased");
  return {};
}

}  // namespace

Awaitable<Result<void>> talk_info(Connection& connection, cli::Reporter& reporter) {
  Session& session = connection.session();
  auto status = co_await session.status();
  if (!status) co_return pass(std::move(status.error()));
  auto slots = co_await session.slots();
  if (!slots) co_return pass(std::move(slots.error()));
  auto keys = co_await session.key_list();
  if (!keys) co_return pass(std::move(keys.error()));
  auto counters = co_await session.counters();
  if (!counters) co_return pass(std::move(counters.error()));
  nlohmann::json fields = identity_json(session.identity());
  fields["port"] = connection.name();
  auto list = nlohmann::json::array();
  for (const auto& info : *slots) list.push_back(slot_json(info, *status));
  fields["slots"] = std::move(list);
  fields["keys"] = keys_json(*keys);
  fields["keyset_version"] = keys->version;
  fields["floors"] = {{"app", counters->floors[0]}, {"model", counters->floors[1]}, {"data", counters->floors[2]}};
  fields["log_sequence"] = counters->log_sequence;
  fields["most_worn"] = counters->most_worn;
  reporter.event("board", fields,
                 heading(session.identity(), connection.name()) + "\n\n" +
                     cli::format_table(slot_rows(*slots, *status)) + "\n\n" + keys_text(*keys) +
                     "\nEpoch floors: application " + std::to_string(counters->floors[0]) + ", model " +
                     std::to_string(counters->floors[1]) + ", data " + std::to_string(counters->floors[2]));
  co_return Result<void>();
}

Awaitable<Result<void>> talk_keys(Connection& connection, const std::vector<flashlink::SignedObject>& install,
                                  cli::Reporter& reporter) {
  Session& session = connection.session();
  for (const auto& object : install) {
    auto set = co_await session.set_keys(object.manifest_bytes(), object.payload);
    if (!set) co_return set;
    reporter.event("keys_installed", {{"keyset_version", object.manifest.keyset_version}},
                   "Key set " + std::to_string(object.manifest.keyset_version) + " is installed");
  }
  auto keys = co_await session.key_list();
  if (!keys) co_return pass(std::move(keys.error()));
  reporter.event("keys", {{"keyset_version", keys->version}, {"keys", keys_json(*keys)}}, keys_text(*keys));
  co_return Result<void>();
}

ExitCode run_board_command(const BoardCommand& command, const BoardFlags& board, const Surroundings& around,
                           cli::Reporter& reporter) {
  using What = BoardCommand::What;
  if (const auto sure = ask_before(command, around); !sure) return reporter.error(sure.error());
  std::vector<flashlink::SignedObject> key_sets;
  if (!command.install.empty()) {
    auto loaded = load_objects({command.install, {}, {}}, command.signing, around, reporter);
    if (!loaded) return reporter.error(loaded.error());
    for (const auto& object : *loaded) {
      if (object.manifest.object != wire::flash::ObjectClass::keyset)
        return reporter.error({Errc::usage,
                               "this is no key set",
                               command.install,
                               "Write one as docs/image-format.md shows, \"Key sets\"",
                               {}});
    }
    key_sets = *std::move(loaded);
  }
  return on_board(board, around, reporter, [&](Connection& connection) -> Awaitable<Result<void>> {
    switch (command.what) {
      case What::info:
        co_return co_await talk_info(connection, reporter);
      case What::keys:
        co_return co_await talk_keys(connection, key_sets, reporter);
      case What::verify:
        co_return co_await talk_verify(connection, command, reporter);
      case What::confirm:
        co_return co_await talk_confirm(connection, command, reporter);
      case What::revert:
        co_return co_await talk_revert(connection, command, reporter);
      case What::erase:
        co_return co_await talk_erase(connection, command, reporter);
      case What::read_log:
        co_return co_await talk_log(connection, command, reporter);
      case What::tag:
        co_return co_await talk_tag(connection, command, reporter);
      case What::reboot:
        break;
    }
    co_return co_await talk_reboot(connection, command, reporter);
  });
}

}  // namespace tml::flasher
