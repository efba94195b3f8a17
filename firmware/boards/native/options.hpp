// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// tml-board's command line. Every flag: docs/tml-board.md.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/base/exit_code.hpp"
#include "firmware/boards/native/board.hpp"

namespace tml::fw::native {

struct Options {
  BoardOptions board;  ///< For board 0; board_options() makes those of the others.
  unsigned count = 1;
  bool json = false;
  bool verbose = false;
  ImageOrder image;
  std::filesystem::path synthesise;  ///< Not empty: write recordings there and end.
};

struct CommandLine {
  Options options;
  std::optional<ExitCode> exit;  ///< Set: end with this code (help, version, usage error); everything has been said.
};

/// Help and version go to standard output, usage errors to standard error. Without --seed a random one is drawn.
[[nodiscard]] CommandLine parse_command_line(int argc, const char* const* argv);

/// The options of board `index` of `options.count`: link and state get the suffix -INDEX when there are several.
[[nodiscard]] BoardOptions board_options(const Options& options, unsigned index);

}  // namespace tml::fw::native
