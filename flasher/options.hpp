// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The command line of tml-flash as plain data, so that only one unit sees the parser.
#pragma once

#include <string>
#include <variant>

#include "common/base/exit_code.hpp"
#include "common/cli/common_flags.hpp"
#include "flasher/flash_options.hpp"
#include "flasher/rollout_options.hpp"

namespace tml::flasher {

/// tml-flash compile MODEL.tflite -o OUT.tmlm
struct CompileOptions {
  std::string model;    ///< Empty with an impulse file that has no model: an anomaly detector alone.
  std::string impulse;  ///< --impulse F.toml
  std::string labels;   ///< --labels F, one per line
  std::string output;   ///< -o
  std::string name;     ///< --name; empty = as the impulse file says, else the model's file name
  std::string version;  ///< --model-version; empty = as the impulse file says, else 0.1.0
  std::string fitted;   ///< --fitted OUT: the fitted anomaly model alone
  bool report = false;
};

/// tml-flash run MODEL --input FILE
struct RunOptions {
  std::string model;    ///< .tmlm, or .tflite that is compiled first
  std::string impulse;  ///< --impulse F.toml for a .tflite
  std::string input;
  bool trace = false;
  bool features = false;
  bool tensor = false;  ///< --tensor: the file is the input tensor's bytes, whatever its name says
  std::string kernels = "fast";
};

using Command = std::variant<CompileOptions, RunOptions, FlashOptions, SignOptions, KeygenOptions, FileInfoOptions,
                             BoardCommand, RolloutOptions>;

struct Options : cli::OutputFlags {
  BoardFlags board;
  Command command;
};

/// The exit code when the program should end now (help, version, usage error).
[[nodiscard]] std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv);

}  // namespace tml::flasher
