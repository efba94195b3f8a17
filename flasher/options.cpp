// SPDX-License-Identifier: Apache-2.0
#include "flasher/options.hpp"

#include "common/cli/flags.hpp"
#include "common/cli/reporter.hpp"
#include "flasher/flash_flags.hpp"
#include "flasher/rollout_flags.hpp"

namespace tml::flasher {
namespace {

void add_compile(CLI::App& app, CompileOptions& o) {
  auto* compile = app.add_subcommand("compile", "Turn a .tflite model into a package for boards");
  compile->add_option("model", o.model, "Model (.tflite, int8); none for an impulse that only detects anomalies")
      ->type_name("MODEL");
  compile
      ->add_option("--impulse", o.impulse,
                   "Sensor, window, signal processing, anomaly detection (docs/model-package.md)")
      ->type_name("F.toml");
  compile->add_option("--labels", o.labels, "File with one label per line, in the order of the outputs")
      ->type_name("FILE");
  compile->add_option("-o,--output", o.output, "Package to write; default: the model's name with .tmlm")
      ->type_name("OUT.tmlm");
  compile->add_option("--name", o.name, "Name that boards print, 31 bytes at most");
  compile->add_option("--model-version", o.version, "Version of the package")->type_name("A.B.C");
  compile
      ->add_option("--fitted", o.fitted,
                   "Write the fitted anomaly model into a file of its own, for [anomaly] fitted = FILE")
      ->type_name("OUT");
  compile->add_flag("--report", o.report, "Print size, memory, multiplications and estimated instructions per layer");
}

void add_run(CLI::App& app, RunOptions& o) {
  auto* run = app.add_subcommand("run", "Run a model on this computer, bit for bit as a board does");
  run->add_option("model", o.model, "Package (.tmlm), or a .tflite that is compiled first")
      ->type_name("MODEL")
      ->required();
  run->add_option("--input", o.input,
                  "A window (JSON, CBOR, CSV or WAV; JPEG or PNG for pictures), or the bytes of an input tensor")
      ->type_name("FILE")
      ->required();
  run->add_option("--impulse", o.impulse, "Impulse file for a .tflite")->type_name("F.toml");
  run->add_flag("--tensor", o.tensor, "The file holds the input tensor's bytes, whatever its name");
  run->add_flag("--trace", o.trace, "Print the CRC-32 of every layer's output");
  run->add_flag("--features", o.features, "Print the features that signal processing made of the window");
  run->add_option("--kernels", o.kernels, "ref (plain) or fast; the results are the same")
      ->check(CLI::IsMember({"ref", "fast"}))
      ->capture_default_str();
}

}  // namespace

std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv) {
  Options options;
  CompileOptions compile;
  RunOptions run;
  RolloutOptions rollout;
  FlashParse flash;
  CLI::App app(
      "Updates boards over their serial port: tml-flash FILE does the whole job. Compiles and signs models, too",
      "tml-flash");
  cli::set_up_app(app, "tml-flash");
  cli::add_output_flags(app, options);
  app.require_subcommand(0, 1);
  add_flash_flags(app, options.board, flash);
  add_compile(app, compile);
  add_run(app, run);
  add_rollout_flags(app, rollout);
  if (const auto code = cli::parse_arguments(app, argc, argv)) return *code;
  if (app.got_subcommand("compile")) {
    options.command = compile;
  } else if (app.got_subcommand("run")) {
    options.command = run;
  } else if (app.got_subcommand("rollout")) {
    if (auto understood = finish_rollout_flags(app, rollout); !understood) {
      cli::Reporter reporter({"tml-flash", options.json, options.quiet, false});
      return reporter.error(understood.error());
    }
    options.command = rollout;
    return options;
  }
  auto command = finish_flash_flags(app, flash);
  if (!command) {
    cli::Reporter reporter({"tml-flash", options.json, options.quiet, false});
    return reporter.error(command.error());
  }
  if (*command) options.command = std::move(**command);
  return options;
}

}  // namespace tml::flasher
