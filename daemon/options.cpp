// SPDX-License-Identifier: Apache-2.0
#include "daemon/options.hpp"

#include "common/cli/flags.hpp"

namespace tml::daemon {
namespace {

void add_line_flags(CLI::App& app, Options& options) {
  app.add_option("--port", options.ports, "Serial port: a path, serial=USB-SERIAL, or id=BOARD-ID; may be repeated")
      ->type_name("PATH|serial=X|id=X")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--baud-rate", options.baud_rate, "Rate at which boards are spoken to")
      ->check(CLI::Range(300U, 4'000'000U))
      ->capture_default_str();
  app.add_option("--echo-window", options.echo_window, "Bytes sent but not yet echoed, at most")
      ->check(CLI::Range(0U, 4096U))
      ->capture_default_str();
  app.add_flag("--write-pacing", options.write_pacing, "Write 5 bytes every 20 ms, for boards without echo");
  app.add_flag("--no-fast-baud", options.no_fast_baud, "Read out at the base rate even if the board offers more");
}

void add_register(CLI::App& app, Options& options) {
  CLI::App* command = app.add_subcommand("register", "Connect a board to a project and name it");
  command->add_option("--name", options.name, "Name of the device on the server");
  command->add_flag("--clean", options.clean, "Clear the board's configuration first, and choose the project anew");
}

void add_run(CLI::App& app, Options& options) {
  CLI::App* command = app.add_subcommand("run", "Serve boards: take sample requests from the server");
  command->add_option("--config", options.config_file, "Configuration file in place of the default")->type_name("F");
}

void add_sample(CLI::App& app, Options& options) {
  CLI::App* command = app.add_subcommand("sample", "Capture from a board, store and deliver");
  command->add_option("--sensor", options.sensor, "Sensor name, as the board lists it")->required()->type_name("S");
  command->add_option("--label", options.label, "Label of the sample")->required()->type_name("L");
  command->add_option("--length-ms", options.length_ms, "Length of a sample in milliseconds; needless for a camera")
      ->check(CLI::Range(1U, 0xFFFFFFFFU))
      ->type_name("N");
  command->add_option("--frequency", options.frequency_hz, "Readings per second; default: the sensor's highest")
      ->check(CLI::Range(1e-6, 1e7))
      ->type_name("HZ");
  command->add_option("--category", options.category, "training, testing, validation, anomaly, ...")->type_name("C");
  command->add_option("--repeat", options.repeat, "How many samples")
      ->check(CLI::Range(1U, 1'000'000U))
      ->type_name("R");
  command->add_option("--rest-ms", options.rest_ms, "Pause between samples")->type_name("M");
  command->add_flag("--no-deliver", options.no_deliver, "Leave the samples in the spool");
}

void add_infer(CLI::App& app, Options& options) {
  CLI::App* command = app.add_subcommand("infer", "Run the model on a board and show what it sees");
  command->add_option("board", options.ports, "The board, as for --port")->type_name("PATH|serial=X|id=X");
  CLI::Option* continuous =
      command->add_flag("--continuous", options.continuous, "Sliding windows, without a pause between them");
  CLI::Option* debug = command->add_flag("--debug", options.debug, "Show what the board prints beside its results");
  command
      ->add_option("--static", options.static_file,
                   "Classify the windows of a recording (JSON, CBOR, CSV, WAV) instead of the sensor")
      ->type_name("FILE")
      ->excludes(continuous)
      ->excludes(debug);
  continuous->excludes(debug);
  command->add_option("--results", options.results, "Stop after this many results")
      ->check(CLI::Range(1U, 1'000'000'000U))
      ->type_name("N");
}

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv) {
  Options options;
  CLI::App app("Connects boards on serial ports to a server: register, capture, deliver.", "tml-daemon");
  cli::set_up_app(app, "tml-daemon");
  cli::add_output_flags(app, options);
  cli::add_server_flags(app, options);
  add_line_flags(app, options);
  app.add_option("--project", options.project, "Project id, when the key or user has several")->type_name("ID");
  add_register(app, options);
  add_run(app, options);
  add_sample(app, options);
  add_infer(app, options);
  app.add_subcommand("ports", "List ports, what hangs on them, and why one cannot be opened");
  CLI::App* spool = app.add_subcommand("spool", "Look into the durable outbox, or empty it");
  spool->require_subcommand(1);
  spool->add_subcommand("list", "List what waits for delivery");
  spool->add_subcommand("verify", "Check every stored sample against its hash");
  CLI::App* flush = spool->add_subcommand("flush", "Deliver now");
  flush->add_flag("--refused", options.refused_too, "Also what the server has refused before");
  CLI::App* save = spool->add_subcommand("export", "Copy the waiting samples into a folder");
  save->add_option("folder", options.export_folder, "Where to")->required()->type_name("DIR");
  app.require_subcommand(0, 1);

  if (auto code = cli::parse_arguments(app, argc, argv)) return *code;
  if (app.got_subcommand("register")) options.command = Command::register_board;
  if (app.got_subcommand("run")) options.command = Command::run;
  if (app.got_subcommand("sample")) options.command = Command::sample;
  if (app.got_subcommand("infer")) options.command = Command::infer;
  if (app.got_subcommand("ports")) options.command = Command::ports;
  if (app.got_subcommand("spool")) {
    options.command = Command::spool_list;
    if (spool->got_subcommand("verify")) options.command = Command::spool_verify;
    if (spool->got_subcommand("flush")) options.command = Command::spool_flush;
    if (spool->got_subcommand("export")) options.command = Command::spool_export;
  }
  return options;
}

}  // namespace tml::daemon
