// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/options.hpp"

#include <CLI/CLI.hpp>
#include <iostream>

#include "common/base/random.hpp"
#include "common/base/version.hpp"
#include "firmware/boards/native/stream_options.hpp"
#include "firmware/boards/native/update_options.hpp"

namespace tml::fw::native {
namespace {

constexpr unsigned kMaxBoards = 256;
constexpr unsigned kMinFlashMib = 1;
constexpr unsigned kMaxFlashMib = 16;  // the sample store's limit is 4096 sectors
constexpr std::uint32_t kMaxBaud = 12'000'000;
constexpr double kMaxSpeed = 10'000;

struct Raw {
  std::vector<std::string> sensors;
  std::vector<std::string> models;
  std::string faults;
  StreamFlags stream;
  UpdateFlags update;
  std::string camera;
  unsigned flash_mib = 16;
  std::optional<std::uint64_t> seed;
};

Result<void> apply_sensor(const std::string& text, BoardOptions& board) {
  const std::size_t equals = text.find('=');
  if (text.starts_with("camera=")) {
    board.camera = text.substr(equals + 1);
    if (!board.camera.empty()) return {};
  }
  const std::optional<SensorKind> kind = sensor_kind(std::string_view(text).substr(0, equals));
  if (equals == std::string::npos || !kind) {
    return fail(
        Errc::usage, "--sensor: no such sensor", "'" + text + "'",
        "Use NAME=replay:FILE_OR_DIR or NAME=synth:PATTERN with the name accelerometer, microphone, environmental, "
        "inertial, inertial6 or camera");
  }
  const std::string spec = text.substr(equals + 1);
  if (*kind == SensorKind::accelerometer) board.accelerometer = spec;
  if (*kind == SensorKind::microphone) board.microphone = spec;
  if (*kind == SensorKind::environmental) board.environmental = spec;
  if (*kind == SensorKind::inertial) board.inertial = spec;
  if (*kind == SensorKind::inertial6) board.inertial6 = spec;
  return {};
}

Result<void> check_qemu(const BoardOptions& board, unsigned flash_mib) {
  if (board.qemu.empty())
    return fail(Errc::usage, "only a board in QEMU takes this flag", board.icount ? "--icount" : "--app",
                "Add --qemu ELF");
  if (board.baud_model != 0) {
    return fail(Errc::usage, "QEMU's UART has no rate", "--baud-model",
                "Leave it out; without --qemu the board has a model of the line");
  }
  if (board.profile != Profile::tml)
    return fail(Errc::usage, "the board in QEMU runs the firmware and no other profile", "--profile", "Leave it out");
  if (flash_mib != kMaxFlashMib)
    return fail(Errc::usage, "the board in QEMU has 16 MiB", "--flash-mib", "Leave it out");
  return {};
}

Result<void> apply_update_flags(const Raw& raw, Options& options) {
  Result<UpdateOptions> update = update_options(raw.update);
  if (!update) return pass(std::move(update.error()));
  options.board.update = std::move(*update);
  Result<ImageOrder> image = image_order(raw.update, raw.seed.value_or(0));
  if (!image) return pass(std::move(image.error()));
  options.image = std::move(*image);
  if (!raw.update.any_of_the_board()) return {};
  if (!options.board.qemu.empty()) {
    return fail(Errc::usage, "the board in QEMU is what its image was built to be",
                "--blank, --product, --hardware, --root-key, --release, --allow-read, --flash-model",
                "Leave them out, or leave out --qemu");
  }
  if (options.board.profile != Profile::tml && options.image.path.empty()) {
    return fail(Errc::usage, "only the firmware tml has a bootloader and slots of ours", "--profile",
                "Leave out the flags about them, or --profile");
  }
  if (raw.flash_mib != kMaxFlashMib && options.image.path.empty() && raw.update.flash_times.empty())
    return fail(Errc::usage, "a flash of less than 16 MiB has no slots", "--flash-mib", "Leave it out");
  return {};
}

Result<void> apply(const Raw& raw, Options& options) {
  if (!raw.camera.empty()) {
    if (options.board.camera.empty()) options.board.camera = "synth:auto";
    if (raw.camera == "grayscale") options.board.camera_form = CameraForm::grayscale;
    if (raw.camera == "jpeg") options.board.camera_form = CameraForm::jpeg;
  }
  for (const std::string& text : raw.models) {
    Result<ModelFile> model = parse_model_spec(text);
    if (!model) return pass(std::move(model.error()));
    options.board.models.push_back(std::move(*model));
  }
  if (!options.board.id.empty() && !is_board_id(options.board.id)) {
    return fail(Errc::usage, "--id: expected 1 to 31 hexadecimal digits, colons or dashes",
                "'" + options.board.id + "'");
  }
  if (!options.board.id.empty() && options.count > 1) {
    return fail(Errc::usage, "--id names one board", "--count " + std::to_string(options.count), "Leave --id out");
  }
  for (const std::string& sensor : raw.sensors) {
    Result<void> applied = apply_sensor(sensor, options.board);
    if (!applied) return applied;
  }
  if (!raw.faults.empty()) {
    Result<FaultPlan> plan = parse_fault_spec(raw.faults);
    if (!plan) return pass(std::move(plan.error()));
    options.board.faults = std::move(*plan);
  }
  Result<void> streaming = apply_stream_flags(raw.stream, options.board);
  if (!streaming) return streaming;
  Result<void> updating = apply_update_flags(raw, options);
  if (!updating) return updating;
  if (!options.board.camera.empty() && options.board.profile != Profile::tml) {
    return fail(Errc::usage, "a board that streams from power-up takes no pictures",
                raw.camera.empty() ? "--sensor camera" : "--camera", "Leave it out, or use --profile tml");
  }
  if (!options.board.qemu.empty() || options.board.icount || !options.board.qemu_app.empty()) {
    Result<void> possible = check_qemu(options.board, raw.flash_mib);
    if (!possible) return possible;
  }
  options.board.flash_bytes = raw.flash_mib << 20U;
  options.board.seed = raw.seed ? *raw.seed : system_random().next_u64() >> 32U;
  return {};
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine out;
  Options& options = out.options;
  Raw raw;
  CLI::App app("The TML firmware as a virtual board on a pseudo terminal", "tml-board");
  app.option_defaults()->always_capture_default(false);
  app.set_version_flag("--version", std::string("tml-board ") + kVersion + " (" + kGitRevision + ")");
  app.add_option("--link", options.board.link, "Symbolic link to the pty, removed at the end")->type_name("PATH");
  app.add_option("--state", options.board.state, "Folder of the board's flash; without it nothing outlives the process")
      ->type_name("DIR");
  app.add_option(
         "--sensor", raw.sensors,
         "NAME=replay:FILE_OR_DIR[@HZ] or NAME=synth:PATTERN; NAME is accelerometer, microphone, environmental, "
         "inertial, inertial6 or camera")
      ->type_name("SPEC")
      ->allow_extra_args(false);
  app.add_option("--camera", raw.camera, "Give the board a camera that sends rgb (default), grayscale or jpeg")
      ->type_name("FORM")
      ->check(CLI::IsMember({"rgb", "grayscale", "jpeg"}));
  app.add_option("--baud-model", options.board.baud_model, "Behave as a UART of this rate; 0 = as USB, no model")
      ->type_name("BAUD")
      ->check(CLI::Range(std::uint32_t{0}, kMaxBaud));
  app.add_option("--transfer-baud", options.board.transfer_baud,
                 "Data Transfer Baudrate that the board advertises (115200)")
      ->type_name("BAUD")
      ->check(CLI::Range(std::uint32_t{9600}, kMaxBaud));
  app.add_option("--fault", raw.faults, "Faults on purpose: drop=1e-4,unplug=every:20s:1s,reset=at:5s ...")
      ->type_name("SPEC");
  app.add_option("--speed", options.board.speed, "The device's clock runs this many times faster (1)")
      ->type_name("N")
      ->check(CLI::Range(0.01, kMaxSpeed));
  app.add_option("--seed", raw.seed, "Seed of faults, garbage, generated data and id (random, told in the ready event)")
      ->type_name("N");
  app.add_option("--id", options.board.id, "Device id; kept in the state folder")->type_name("HEX-ID");
  app.add_option("--flash-mib", raw.flash_mib, "Size of the flash (16)")
      ->type_name("N")
      ->check(CLI::Range(kMinFlashMib, kMaxFlashMib));
  app.add_option("--count", options.count, "Boards in this process; link and state get the suffixes -0, -1 ...")
      ->type_name("N")
      ->check(CLI::Range(1U, kMaxBoards));
  add_stream_flags(app, raw.stream, options.board);
  add_update_flags(app, raw.update);
  app.add_option("--model", raw.models, "SLOT=FILE: a model package for slot 0a, 0b, 1a or 1b (0 is 0a, 1 is 1a)")
      ->type_name("SPEC")
      ->allow_extra_args(false);
  app.add_option("--qemu", options.board.qemu,
                 "Run this image of the firmware on an emulated Cortex-M4F (scripts/qemu-board knows where it is)")
      ->type_name("ELF");
  app.add_option(
         "--app", options.board.qemu_app,
         "With --qemu and its bootloader: the application (.bin or .tmlu) that a new board leaves the factory with")
      ->type_name("FILE");
  app.add_flag("--icount", options.board.icount, "With --qemu: instructions are the clock, so that counts are exact");
  app.add_option("--synthesise", options.synthesise, "Write a folder of generated recordings and end")
      ->type_name("DIR");
  app.add_flag("--json", options.json, "Events as JSON lines on standard output");
  app.add_flag("--verbose", options.verbose, "Show every event");
  app.footer(exit_code_help());
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, std::cout, std::cerr);
    out.exit = code == 0 ? ExitCode::ok : ExitCode::usage;
    return out;
  }
  Result<void> applied = apply(raw, options);
  if (!applied) {
    std::cerr << "tml-board: " << applied.error().message() << "\n";
    out.exit = exit_code_for(applied.error().code);
  }
  return out;
}

BoardOptions board_options(const Options& options, unsigned index) {
  BoardOptions out = options.board;
  out.index = index;
  if (options.count == 1) return out;
  const std::string suffix = "-" + std::to_string(index);
  if (!out.link.empty()) out.link += suffix;
  if (!out.state.empty()) out.state += suffix;
  if (!out.stream.truth.empty()) out.stream.truth += suffix;
  out.alone = false;
  return out;
}

}  // namespace tml::fw::native
