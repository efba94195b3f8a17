// SPDX-License-Identifier: Apache-2.0
#include "flasher/flash_flags.hpp"

#include <charconv>

#include "common/model/compile.hpp"
#include "common/wire/flash_link.hpp"

namespace tml::flasher {
namespace {

using wire::flash::kNoSlot;

constexpr const char* kSlotNames = "app-a, app-b, model-0a, model-0b, model-1a, model-1b, data";

void add_signing(CLI::App& app, FlashParse& p, SigningFlags& s) {
  app.add_option("--key", s.key,
                 "Key file to sign with; else TML_SIGNING_KEY, signing_key of the configuration, or "
                 "the development key")
      ->type_name("FILE.key");
  app.add_option("--passphrase-file", s.passphrase_file, "File whose first line is the key's passphrase")
      ->type_name("FILE");
  app.add_option("--product", s.object.product, "Product that it is for; else as the file says");
  app.add_option("--name", s.object.name, "Name, 31 bytes at most; else as the file says");
  app.add_option("--hardware", p.hardware, "Hardware revisions that it is for; else as the file says")
      ->type_name("N|A-B");
  app.add_option("--object-version", p.version, "Version; else as the file says")->type_name("A.B.C");
  app.add_option("--epoch", p.epoch, "Security epoch, default 0 (docs/security.md)")->type_name("N");
}

void add_compile_flags(CLI::App& app, std::string& impulse, std::string& labels) {
  app.add_option("--impulse", impulse, "Impulse file for a .tflite")->type_name("F.toml");
  app.add_option("--labels", labels, "Labels for a .tflite, one per line")->type_name("FILE");
}

void add_transfer(CLI::App& app, FlashParse& p, FlashOptions& o) {
  app.add_flag("--background", o.background, "Write an application while the old one runs, too");
  app.add_flag("--dry-run", o.dry_run, "Ask the board whether it would take the file; write nothing");
  app.add_option("--base", p.base, "auto: send only what differs from what the board has; none: all of it")
      ->check(CLI::IsMember({"auto", "none"}));
  app.add_flag("--no-compress", o.no_compress, "Send every chunk as it is");
  app.add_flag("--orphan-models", o.orphan_models, "Accept an application that the board's models do not fit");
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<void> take_slot(const std::string& text, std::optional<std::uint8_t>& slot) {
  if (text.empty()) return {};
  slot = wire::flash::slot_by_name(text);
  if (*slot == kNoSlot)
    return fail(Errc::usage, "there is no slot " + text, "--slot", std::string("Slots: ") + kSlotNames);
  return {};
}

Result<void> take_lane(const std::string& text, std::optional<std::uint8_t>& lane) {
  if (text.empty()) return {};
  if (text == "app") lane = 0;
  if (text == "model-0") lane = 1;
  if (text == "model-1") lane = 2;
  return {};
}

Result<void> take_hardware(const std::string& text, flashlink::ObjectFlags& object) {
  if (text.empty()) return {};
  const auto dash = text.find('-');
  const auto first = number(std::string_view(text).substr(0, dash));
  const auto last = dash == std::string::npos ? first : number(std::string_view(text).substr(dash + 1));
  if (!first || !last || *last > 0xFFFF || *first > *last)
    return fail(Errc::usage, "the hardware revisions cannot be read: " + text, "--hardware",
                "Write 3 or 1-4, up to 65535");
  object.hardware_first = static_cast<std::uint16_t>(*first);
  object.hardware_last = static_cast<std::uint16_t>(*last);
  return {};
}

Result<void> take_signing(const FlashParse& p, const std::optional<std::uint8_t>& slot,
                          flashlink::ObjectFlags& object) {
  if (auto taken = take_hardware(p.hardware, object); !taken) return taken;
  if (!p.version.empty()) {
    object.version = model::parse_version(p.version);
    if (!object.version)
      return fail(Errc::usage, "the version cannot be read: " + p.version, "--object-version",
                  "Write it as 1.2.3, parts up to 255, the last up to 65535");
  }
  if (!p.epoch.empty()) {
    object.epoch = number(p.epoch);
    if (!object.epoch)
      return fail(Errc::usage, "the epoch cannot be read: " + p.epoch, "--epoch", "Write a number from 0 on");
  }
  if (slot) {
    object.data = *slot == static_cast<std::uint8_t>(wire::flash::Slot::data);
    if (object.data) object.slots = 1U << *slot;
  }
  return {};
}

BoardCommand::What what_of(const CLI::App& app) {
  using What = BoardCommand::What;
  static constexpr std::pair<const char*, What> kCommands[] = {
      {"verify", What::verify}, {"confirm", What::confirm},   {"revert", What::revert}, {"erase", What::erase},
      {"keys", What::keys},     {"read-log", What::read_log}, {"tag", What::tag},       {"reboot", What::reboot}};
  for (const auto& [name, what] : kCommands) {
    if (app.got_subcommand(name)) return what;
  }
  return What::info;
}

Result<FlashOptions> finish_flash(FlashParse& p, FlashOptions o) {
  o.no_base = p.base == "none";
  if (auto taken = take_slot(p.slot, o.slot); !taken) return pass(taken.error());
  if (auto taken = take_signing(p, o.slot, o.signing.object); !taken) return pass(taken.error());
  return o;
}

}  // namespace

void add_flash_flags(CLI::App& app, BoardFlags& board, FlashParse& p) {
  app.add_option("file", p.flash.file, "What the board shall run: image, .tmlu, .tmlm or .tflite")->type_name("FILE");
  app.add_option("--port", board.port, "Serial port: a path, serial=USB-SERIAL, or id=BOARD-ID; else the only board")
      ->type_name("PATH|serial=X|id=X");
  app.add_option("--start-baud", board.start_baud, "Rate at which the board starts")
      ->check(CLI::Range(1200U, 12'000'000U))
      ->capture_default_str();
  app.add_option("--baud", board.baud, "Rate of the transfer; else the highest that the board names")
      ->check(CLI::Range(1200U, 12'000'000U));
  app.add_option("--wait", board.wait_s, "Seconds to wait for a port that was pulled out")
      ->check(CLI::Range(0U, 3600U))
      ->capture_default_str();
  app.add_option("--boot-wait", board.boot_wait_s, "Seconds that a restarted application may take to answer")
      ->check(CLI::Range(1U, 3600U))
      ->capture_default_str();
  app.add_flag("--no-daemon", board.no_daemon, "Do not borrow the port from a running tml-daemon");
  app.add_option("--slot", p.slot, std::string("Slot: ") + kSlotNames + "; else the one that is not in use")
      ->type_name("SLOT");
  app.add_option("--stage", p.flash.stage, "Stage of a model: 0 or 1")->check(CLI::Range(0, 1));
  app.add_flag("--no-confirm", p.flash.no_confirm, "Leave it on trial (tml-flash confirm confirms)");
  app.add_flag("--permanent", p.flash.permanent, "No trial: what was written is confirmed at once");
  app.add_option("--protocol", p.flash.protocol, "tml; smp: MCUboot and Zephyr boards; eta: the ECM3532 bootloader")
      ->check(CLI::IsMember({"tml", "smp", "eta"}))
      ->capture_default_str();
  app.add_flag("--skip-reset", p.flash.skip_reset, "eta: the board is in its bootloader already");
  app.add_flag("--serial-write-pacing", p.flash.write_pacing, "eta: send 5 bytes per 5 ms");
  app.add_flag("--yes,-y", p.board.yes, "Do not ask before something that cannot be undone");
  add_transfer(app, p, p.flash);
  add_compile_flags(app, p.flash.impulse, p.flash.labels);
  add_signing(app, p, p.flash.signing);

  auto* write = app.add_subcommand("write", "Write a file into a slot and change nothing else");
  write->add_option("file", p.write.file, "Image, .tmlu, .tmlm, .tflite, or anything for --slot data")
      ->type_name("FILE")
      ->required();
  auto* info = app.add_subcommand("info", "Show a board: versions, slots, keys; or a FILE and its signature");
  info->add_option("file", p.info_file, "A file instead of a board")->type_name("FILE");
  info->add_option("--public-key", p.info_keys, "Public key to check signatures with")->type_name("FILE.pub");
  app.add_subcommand("verify", "Hash what the slots hold (or --slot one) and compare with their manifests");
  for (const char* name : {"confirm", "revert"}) {
    auto* sub = app.add_subcommand(
        name, std::string(name) == "confirm" ? "Confirm what is on trial" : "Go back to what ran before the trial");
    sub->add_option("--lane", p.lane, "app, model-0 or model-1; else all that are on trial")
        ->check(CLI::IsMember({"app", "model-0", "model-1"}));
  }
  app.add_subcommand("erase", "Erase a --slot that is not in use");
  auto* keys = app.add_subcommand("keys", "List the keys that the board accepts, or install a key set");
  keys->add_option("--install", p.board.install, "Key set: signed (.tmlu), or .toml signed here with --key ROOT.key")
      ->type_name("FILE");
  auto* log = app.add_subcommand("read-log", "Print the boot log, newest first");
  log->add_option("--records", p.board.records, "How many at most")->check(CLI::Range(1U, 126U))->capture_default_str();
  auto* tag = app.add_subcommand("tag", "Give the board the fleet's name for it");
  tag->add_option("name", p.board.tag, "31 bytes at most; empty text removes it")->type_name("NAME")->required();
  auto* reboot = app.add_subcommand("reboot", "Restart the board");
  reboot->add_flag("--bootloader", p.board.bootloader, "Stay in the bootloader");

  auto* sign = app.add_subcommand("sign", "Sign images, packages, models or key sets (.toml) into one .tmlu file");
  sign->add_option("files", p.sign.files, "One or more, for the same board")->type_name("FILE")->required();
  sign->add_option("-o,--output", p.sign.output, "File to write; default: the first one's name with .tmlu")
      ->type_name("OUT.tmlu");
  auto* keygen = app.add_subcommand("keygen", "Make a key pair: NAME.key (secret) and NAME.pub");
  keygen->add_option("--out", p.keygen.out, "Name of the files without their endings")->type_name("NAME")->required();
  keygen->add_flag("--passphrase", p.keygen.passphrase, "Ask for a passphrase, twice");
  for (auto* sub : app.get_subcommands({})) {
    const bool files = sub == sign || sub == keygen;
    sub->footer(std::string(files ? "--key, --passphrase-file, --epoch" : "--port, --slot, --wait") +
                " and the other flags of tml-flash --help go with it, too.\n" + app.get_footer());
  }
}

Result<std::optional<Command>> finish_flash_flags(const CLI::App& app, FlashParse& p) {
  const bool any = !app.get_subcommands().empty();
  if (any && !p.flash.file.empty())
    return fail(Errc::usage, "what is \"" + p.flash.file + "\" for? The command takes no such argument", {},
                "tml-flash --help lists the commands");
  if (app.got_subcommand("compile") || app.got_subcommand("run")) return std::nullopt;
  if (!any) {
    if (p.flash.file.empty())
      return fail(Errc::usage, "there is neither a file nor a command", {}, "Run tml-flash FILE, or tml-flash --help");
    auto flash = finish_flash(p, p.flash);
    if (!flash) return pass(flash.error());
    return Command(*flash);
  }
  if (app.got_subcommand("write")) {
    FlashOptions o = p.flash;
    o.file = p.write.file;
    o.write_only = true;
    // Other bootloaders choose for themselves.
    if (p.slot.empty() && o.protocol == "tml")
      return fail(Errc::usage, "write needs a slot", "--slot", std::string("Slots: ") + kSlotNames);
    auto flash = finish_flash(p, std::move(o));
    if (!flash) return pass(flash.error());
    return Command(*flash);
  }
  if (app.got_subcommand("sign")) {
    p.sign.signing = p.flash.signing;
    p.sign.impulse = p.flash.impulse;
    p.sign.labels = p.flash.labels;
    std::optional<std::uint8_t> slot;
    if (auto taken = take_slot(p.slot, slot); !taken) return pass(taken.error());
    if (auto taken = take_signing(p, slot, p.sign.signing.object); !taken) return pass(taken.error());
    if (slot) p.sign.signing.object.slots = 1U << *slot;
    return Command(p.sign);
  }
  if (app.got_subcommand("keygen")) {
    p.keygen.passphrase_file = p.flash.signing.passphrase_file;
    return Command(p.keygen);
  }
  if (!p.info_file.empty()) return Command(FileInfoOptions{p.info_file, p.info_keys});
  BoardCommand command = p.board;
  command.what = what_of(app);
  command.signing = p.flash.signing;
  if (auto taken = take_slot(p.slot, command.slot); !taken) return pass(taken.error());
  if (auto taken = take_lane(p.lane, command.lane); !taken) return pass(taken.error());
  if (command.what == BoardCommand::What::erase && !command.slot)
    return fail(Errc::usage, "erase needs a slot", "--slot", std::string("Slots: ") + kSlotNames);
  return Command(std::move(command));
}

}  // namespace tml::flasher
