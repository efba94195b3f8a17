// SPDX-License-Identifier: Apache-2.0
#include "flasher/foreign.hpp"

#include <nlohmann/json.hpp>

#include "common/flashlink/eta_client.hpp"
#include "flasher/on_board.hpp"
#include "flasher/other_boards.hpp"

namespace tml::flasher {
namespace {

using serial::Awaitable;
using Bytes = std::vector<std::byte>;

Awaitable<ExitCode> talk(Seat seat, const Bytes& image, const FlashOptions& options, const BoardFlags& board,
                         cli::Reporter& reporter) {
  auto stream = co_await seat.access.open(board.start_baud);
  if (!stream) co_return reporter.error(stream.error());
  serial::ByteStream& line = **stream;
  bool stopped = false;
  seat.on_signal = [&line, &stopped] {
    stopped = true;
    line.cancel();
  };
  Result<void> done;
  if (options.protocol == "smp") {
    done = co_await flash_by_smp(line, image, options, reporter);
  } else {
    done = co_await flash_by_eta(line, image, options, board, reporter);
  }
  seat.on_signal = nullptr;
  reporter.progress_done();
  if (done) co_return ExitCode::ok;
  if (stopped) {
    done.error().code = Errc::interrupted;
    done.error().hint = "Run the same command again: it goes on where the board says";
  }
  if (done.error().where.empty()) done.error().where = seat.access.name();
  co_return reporter.error(done.error());
}

}  // namespace

ExitCode run_foreign(const FlashOptions& options, const BoardFlags& board, const Surroundings& around,
                     cli::Reporter& reporter) {
  const auto image = flashlink::load_object_file(options.file);
  if (!image) return reporter.error(image.error());
  if (options.protocol == "eta" && options.dry_run) {
    if (auto good = flashlink::check_eta_image(*image); !good) return reporter.error(good.error());
    reporter.event("checked", {{"file", options.file}}, options.file + ": the bootloader would start it");
    return ExitCode::ok;
  }
  return on_port(board, around, reporter, [&](Seat seat) -> Awaitable<ExitCode> {
    co_return co_await talk(seat, *image, options, board, reporter);
  });
}

}  // namespace tml::flasher
