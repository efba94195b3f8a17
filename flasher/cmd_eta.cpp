// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <nlohmann/json.hpp>

#include "common/flashlink/eta_client.hpp"
#include "flasher/other_boards.hpp"

namespace tml::flasher {

using serial::Awaitable;

Awaitable<Result<void>> flash_by_eta(serial::ByteStream& stream, std::span<const std::byte> image,
                                     const FlashOptions& options, const BoardFlags& board, cli::Reporter& reporter) {
  flashlink::EtaOptions wanted;
  if (board.baud != 0) wanted.baud = board.baud;
  wanted.skip_reset = options.skip_reset;
  // A board that was left in its bootloader may have been left in the middle of this image.
  wanted.resume = options.skip_reset;
  wanted.write_pacing = options.write_pacing;
  flashlink::EtaEvents events;
  events.say = [&reporter](std::string_view line) { reporter.event("note", {{"text", std::string(line)}}, line); };
  events.progress = [&reporter](std::uint32_t done, std::uint32_t blocks) {
    reporter.progress("Writing", done, blocks, "blocks");
  };
  Result<flashlink::EtaResult> result = co_await flashlink::eta_flash(stream, image, wanted, events);
  reporter.progress_done();
  if (!result) co_return pass(std::move(result.error()));
  std::string text = "Wrote " + std::to_string(result->blocks) + " blocks of " + std::to_string(result->block_bytes) +
                     " bytes by bootloader " + result->version;
  if (result->resumed_at > 0) text += ", from block " + std::to_string(result->resumed_at + 1) + " on";
  if (result->resent > 0) text += "; " + std::to_string(result->resent) + " commands sent again";
  reporter.event("flashed",
                 {{"protocol", "eta"},
                  {"bytes", image.size()},
                  {"bootloader", result->version},
                  {"blocks", result->blocks},
                  {"block_bytes", result->block_bytes},
                  {"resumed_at", result->resumed_at},
                  {"resent", result->resent}},
                 text);
  co_return Result<void>();
}

}  // namespace tml::flasher
