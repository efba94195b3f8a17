// SPDX-License-Identifier: Apache-2.0
#include "common/flashlink/payload_cache.hpp"
#include "common/flashlink/update_job.hpp"
#include "flasher/commands.hpp"
#include "flasher/foreign.hpp"
#include "flasher/job_view.hpp"
#include "flasher/objects.hpp"
#include "flasher/on_board.hpp"

namespace tml::flasher {
namespace {

using flashlink::JobOptions;
using flashlink::JobOutcome;
using flashlink::PayloadCache;
using flashlink::SignedObject;
using serial::Awaitable;

JobOptions job_options(const FlashOptions& options, const BoardFlags& board) {
  JobOptions job;
  job.start_baud = board.start_baud;
  job.baud = board.baud;
  job.slot = options.slot;
  job.stage = options.stage;
  job.background = options.background;
  job.dry_run = options.dry_run;
  job.activate = !options.write_only;
  job.permanent = options.permanent;
  job.confirm = !options.no_confirm;
  job.use_base = !options.no_base;
  job.compress = !options.no_compress;
  job.orphan_models = options.orphan_models;
  job.replug_wait = std::chrono::seconds(board.wait_s);
  job.boot_wait = std::chrono::seconds(board.boot_wait_s);
  return job;
}

std::optional<PayloadCache> cache_of(const FlashOptions& options, const Surroundings& around) {
  const auto paths = default_paths(around.environment);
  if (!paths || options.no_base) return std::nullopt;
  return PayloadCache(paths->state_dir / "flash");
}

Awaitable<ExitCode> run_job(Seat seat, const std::vector<SignedObject>& objects, const JobOptions& options,
                            const PayloadCache* cache, cli::Reporter& reporter) {
  JobView view(reporter, options, seat.access.name());
  flashlink::UpdateJob job(seat.access, objects, options, cache, view);
  seat.on_signal = [&job] { job.stop(); };
  auto outcome = co_await job.run();
  reporter.progress_done();
  if (outcome) {
    view.ended(*outcome);
    co_return ExitCode::ok;
  }
  if (outcome.error().code == Errc::interrupted) outcome.error().hint = view.left_behind();
  co_return reporter.error(outcome.error());
}

}  // namespace

ExitCode run_flash(const FlashOptions& options, const BoardFlags& board, const Surroundings& around,
                   cli::Reporter& reporter) {
  if (options.protocol != "tml") return run_foreign(options, board, around, reporter);
  const auto objects = load_objects({options.file, options.impulse, options.labels}, options.signing, around, reporter);
  if (!objects) return reporter.error(objects.error());
  const JobOptions job = job_options(options, board);
  const auto cache = cache_of(options, around);
  return on_port(board, around, reporter, [&](Seat seat) -> Awaitable<ExitCode> {
    co_return co_await run_job(seat, *objects, job, cache ? &*cache : nullptr, reporter);
  });
}

}  // namespace tml::flasher
