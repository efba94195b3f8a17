// SPDX-License-Identifier: Apache-2.0
#include "flasher/commands.hpp"

#include "flasher/cmd_rollout.hpp"

namespace tml::flasher {

ExitCode run(const Options& options, cli::Reporter& reporter) {
  Surroundings around;
  around.may_ask = !options.no_input;
  if (const auto* compile = std::get_if<CompileOptions>(&options.command)) return run_compile(*compile, reporter);
  if (const auto* model = std::get_if<RunOptions>(&options.command)) return run_model(*model, reporter);
  if (const auto* flash = std::get_if<FlashOptions>(&options.command))
    return run_flash(*flash, options.board, around, reporter);
  if (const auto* sign = std::get_if<SignOptions>(&options.command)) return run_sign(*sign, around, reporter);
  if (const auto* keygen = std::get_if<KeygenOptions>(&options.command)) return run_keygen(*keygen, around, reporter);
  if (const auto* file = std::get_if<FileInfoOptions>(&options.command)) return run_file_info(*file, reporter);
  if (const auto* rollout = std::get_if<RolloutOptions>(&options.command))
    return run_rollout(*rollout, around, options.quiet, reporter);
  return run_board_command(std::get<BoardCommand>(options.command), options.board, around, reporter);
}

}  // namespace tml::flasher
