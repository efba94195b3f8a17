// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The command line of tml-daemon as plain data, so that only one unit sees the parser.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/exit_code.hpp"
#include "common/cli/common_flags.hpp"

namespace tml::daemon {

enum class Command : std::uint8_t {
  guided,  ///< No command: wizard where there is a terminal, then serve.
  register_board,
  run,
  sample,
  infer,
  ports,
  spool_list,
  spool_verify,
  spool_flush,
  spool_export,
};

struct Options : cli::OutputFlags, cli::ServerFlags {
  Command command = Command::guided;
  // Shared.
  std::vector<std::string> ports;  ///< PATH, serial=X or id=X each.
  std::string project;             ///< Project id; empty = choose.
  std::string config_file;
  // Serial line.
  std::uint32_t baud_rate = 115'200;
  std::uint32_t echo_window = 16;
  bool write_pacing = false;
  bool no_fast_baud = false;
  // register
  std::string name;
  bool clean = false;
  // sample
  std::string sensor;
  std::string label;
  std::uint32_t length_ms = 0;
  double frequency_hz = 0;  ///< 0 = the sensor's highest.
  std::string category = "training";
  std::uint32_t repeat = 1;
  std::uint32_t rest_ms = 0;
  bool no_deliver = false;
  // infer
  bool continuous = false;
  bool debug = false;
  std::string static_file;
  std::uint32_t results = 0;  ///< Stop after so many; 0 = until interrupted, or all windows of a file.
  // spool
  std::string export_folder;
  bool refused_too = false;
};

/// The options, or the code that the program should end with now (--help, --version, usage error; already printed).
[[nodiscard]] std::variant<Options, ExitCode> parse_options(int argc, const char* const* argv);

}  // namespace tml::daemon
