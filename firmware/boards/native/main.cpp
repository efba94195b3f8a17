// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <signal.h>
#include <unistd.h>

#include <exception>
#include <iostream>

#include "firmware/boards/native/options.hpp"
#include "firmware/boards/native/qemu_board.hpp"
#include "firmware/boards/native/synthesise.hpp"

namespace {

int end_with(const tml::Error& error) {
  std::cerr << "tml-board: " << error.message() << "\n";
  return static_cast<int>(tml::exit_code_for(error.code));
}

int run(int argc, const char* const* argv) {
  using namespace tml::fw::native;  // NOLINT: main only wires
  std::optional<Handover> before = take_handover();
  CommandLine command = parse_command_line(argc, argv);
  if (command.exit) return static_cast<int>(*command.exit);
  Options& options = command.options;
  if (before) {
    options.board.seed = before->seed;
    options.board.handover = std::make_shared<Handover>(std::move(*before));
  }
  if (!options.image.path.empty()) {
    ImageSpec spec = options.image.spec;
    spec.arena_bytes = kArenaBytes;
    spec.kernels = tml::fw::nn::fast::kTable.mask();
    const tml::Result<void> written = write_image(options.image.path, spec);
    return written ? 0 : end_with(written.error());
  }
  if (!options.synthesise.empty()) {
    const tml::Result<int> files = synthesise(options.synthesise, options.board.seed);
    if (!files) return end_with(files.error());
    std::cout << *files << " recordings written to " << options.synthesise.string() << "\n";
    return 0;
  }
  ::signal(SIGPIPE, SIG_IGN);
  block_stop_signals();
  OpenWatch watch;
  Events events(STDOUT_FILENO, options.json ? Events::Form::json : Events::Form::text, options.verbose);
  std::vector<std::unique_ptr<RunningBoard>> boards;
  for (unsigned index = 0; index < options.count; ++index) {
    tml::Result<std::unique_ptr<RunningBoard>> board =
        make_board(board_options(options, index), tml::system_clock(), watch, events);
    if (!board) return end_with(board.error());
    boards.push_back(std::move(*board));
  }
  const tml::Result<void> ran = run_boards(boards, tml::system_clock(), watch);
  for (const auto& board : boards) board->report_end();
  return ran ? 0 : end_with(ran.error());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "tml-board: " << error.what() << "\n";
    return static_cast<int>(tml::ExitCode::failed);
  }
}
