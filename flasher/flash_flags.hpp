// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The flags of the flashing commands. CLI11 is heavy: included by the two units that define flags.
#pragma once

#include <CLI/CLI.hpp>

#include "flasher/options.hpp"

namespace tml::flasher {

/// Where the parser puts what it reads until it is known which command was given.
struct FlashParse {
  FlashOptions flash;
  FlashOptions write;
  SignOptions sign;
  KeygenOptions keygen;
  std::string info_file;
  std::vector<std::string> info_keys;
  BoardCommand board;
  // As written; taken over by finish_flash_flags().
  std::string slot, hardware, version, lane, base = "auto", epoch;
};

void add_flash_flags(CLI::App& app, BoardFlags& board, FlashParse& parse);

/// The command that was given, or why it cannot be understood. None when it was none of these (compile, run, ...).
[[nodiscard]] Result<std::optional<Command>> finish_flash_flags(const CLI::App& app, FlashParse& parse);

}  // namespace tml::flasher
