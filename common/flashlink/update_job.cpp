// SPDX-License-Identifier: Apache-2.0
#include "common/flashlink/update_job.hpp"

#include <algorithm>

#include "common/base/random.hpp"
#include "common/base/worker.hpp"
#include "common/flashlink/connection.hpp"
#include "common/model/compile.hpp"
#include "common/wire/boot_record.hpp"

namespace tml::flashlink {
namespace {

using model::version_text;
using serial::Awaitable;
using wire::flash::DeviceStatus;
using wire::flash::kNoSlot;
using wire::flash::lane_of;
using wire::flash::Mode;
using wire::flash::ObjectClass;
using wire::flash::Reboot;
using wire::flash::Select;
using wire::flash::slot_name;
using wire::flash::SlotInfo;

constexpr unsigned kMaxLosses = 50;  ///< A cable that loses contact this often is no cable.
constexpr Millis kBootloaderWait{10'000};

/// Time or a hand on the cable may heal it.
bool line_lost(const Error& error) {
  return error.code == Errc::unplugged || error.code == Errc::timeout || error.code == Errc::garbage ||
         error.code == Errc::io;
}

}  // namespace

std::string_view name(JobStage stage) {
  static constexpr std::array<std::string_view, 14> kNames{
      "connecting", "identified", "restarting", "preparing",  "transferring", "finalising", "selecting",
      "rebooting",  "waiting",    "checking",   "confirming", "reverting",    "lost",       "resumed"};
  return kNames[static_cast<std::size_t>(stage)];
}

struct UpdateJob::State {
  State(PortAccess& access, std::span<const SignedObject> all, const JobOptions& chosen, const PayloadCache* kept,
        JobObserver& watcher)
      : connection(access, system_random(),
                   ConnectionOptions{chosen.start_baud, chosen.baud, Millis{6000}, chosen.replug_wait}),
        objects(all),
        options(chosen),
        cache(kept),
        observer(watcher) {}

  Connection connection;
  std::span<const SignedObject> objects;
  JobOptions options;
  const PayloadCache* cache;
  JobObserver& observer;
  JobOutcome outcome;
  unsigned losses = 0;
  bool sent_away = false;  ///< From its application into the bootloader, by us, and nothing is written yet.

  JobFacts& facts() { return outcome.facts; }
  Session& session() { return connection.session(); }
  const wire::flash::Manifest& manifest() { return facts().object->manifest; }
  std::uint8_t lane() { return lane_of(facts().slot); }
  bool application() { return manifest().object == ObjectClass::app; }
  bool wants_bootloader() { return application() && !options.background && !options.dry_run; }
  void tell(JobStage stage) { observer.stage(stage, outcome.facts); }

  Awaitable<Result<JobOutcome>> run();
  Awaitable<Result<void>> go();
  Awaitable<Result<void>> identify();
  Awaitable<Result<bool>> runs_already();
  Awaitable<Result<void>> transfer();
  Awaitable<Result<void>> into_bootloader();
  Awaitable<Result<void>> begin_anew();
  Awaitable<Result<void>> recover();
  Awaitable<Result<void>> recover_application();
  Awaitable<Result<void>> activate();
  Awaitable<Result<void>> await_application(bool silent = false);
  Awaitable<Result<void>> check();
  Awaitable<Result<void>> confirm();
  Awaitable<Result<void>> take_back(Error error);
  Awaitable<std::string> last_word();
  void show(const TransferProgress& progress);
};

UpdateJob::UpdateJob(PortAccess& access, std::span<const SignedObject> objects, const JobOptions& options,
                     const PayloadCache* cache, JobObserver& observer)
    : state_(std::make_unique<State>(access, objects, options, cache, observer)) {}

UpdateJob::~UpdateJob() = default;

Awaitable<Result<JobOutcome>> UpdateJob::run() { return state_->run(); }

void UpdateJob::stop() { state_->connection.stop(); }

Awaitable<Result<JobOutcome>> UpdateJob::State::run() {
  auto done = co_await go();
  if (connection.connected() && !connection.stopped()) co_await connection.slow_down();
  if (done) co_return outcome;
  const bool waits_for_us = sent_away && connection.connected();
  if (connection.stopped() || waits_for_us) co_await connection.send_home();
  if (connection.stopped()) done.error().code = Errc::interrupted;
  if (done.error().where.empty()) done.error().where = connection.name();
  co_return pass(std::move(done.error()));
}

Awaitable<Result<void>> UpdateJob::State::go() {
  tell(JobStage::connecting);
  auto opened = co_await connection.open();
  if (!opened) co_return opened;
  auto identified = co_await identify();
  if (!identified) co_return identified;
  tell(JobStage::identified);
  auto running = co_await runs_already();
  if (!running) co_return pass(std::move(running.error()));
  if (outcome.already) co_return Result<void>();
  if (!*running) {
    auto sent = co_await transfer();
    if (!sent || outcome.already || options.dry_run) co_return sent;
    if (!options.activate || lane() == kNoSlot) {
      if (!wants_bootloader()) co_return Result<void>();
      // Written only: the board goes back to what it ran.
      tell(JobStage::rebooting);
      co_return co_await connection.reboot(Reboot::application, options.boot_wait);
    }
    auto selected = co_await activate();
    if (!selected) co_return co_await take_back(std::move(selected.error()));
  }
  for (;;) {
    tell(JobStage::checking);
    auto held = co_await check();
    if (held) break;
    if (connection.stopped() || !line_lost(held.error())) co_return co_await take_back(std::move(held.error()));
    auto back = co_await recover_application();
    if (!back) co_return back;
  }
  outcome.activated = true;
  co_return co_await confirm();
}

Awaitable<Result<void>> UpdateJob::State::identify() {
  facts().board = session().identity();
  auto status = co_await session().status();
  if (!status) co_return pass(std::move(status.error()));
  facts().status = *status;
  co_return Result<void>();
}

/// True when the lane has exactly this on trial (a run before this one was ended there): what is left is to check it.
/// outcome.already when it is active. Chooses the slot otherwise.
Awaitable<Result<bool>> UpdateJob::State::runs_already() {
  const auto& status = facts().status;
  for (const auto& object : objects) {
    for (std::uint8_t slot = 0; slot < wire::flash::kSlots; ++slot) {
      const std::uint8_t its_lane = lane_of(slot);
      if ((object.manifest.slots >> slot & 1U) == 0 || its_lane == kNoSlot) continue;
      if (options.slot && *options.slot != slot) continue;
      if (object.manifest.object == ObjectClass::model && !options.slot && its_lane != 1 + options.stage) continue;
      const bool active = status.active[its_lane] == slot;
      const bool trial = status.trial[its_lane] == slot;
      if (!active && !trial) continue;
      auto info = co_await session().slot(slot);
      if (!info) co_return pass(std::move(info.error()));
      if (active) facts().running_version = info->version;
      if (info->state != SlotInfo::State::complete || info->payload_hash != object.manifest.payload_hash ||
          info->version != object.manifest.version || info->epoch != object.manifest.epoch)
        continue;
      if (active && status.trial[its_lane] != kNoSlot) continue;
      facts().slot = slot;
      facts().object = &object;
      outcome.already = active;
      outcome.activated = active;
      outcome.confirmed = active;
      outcome.written = true;
      if (active) co_return false;
      if (!options.activate) co_return false;
      auto back = co_await await_application();
      if (!back) co_return pass(std::move(back.error()));
      co_return true;
    }
  }
  auto choice = choose_slot(objects, facts().board, status, options);
  if (!choice) co_return pass(std::move(choice.error()));
  facts().slot = choice->slot;
  facts().base_slot = choice->base_slot;
  facts().object = choice->object;
  const std::uint8_t its_lane = lane();
  if (its_lane != kNoSlot && status.active[its_lane] != kNoSlot) {
    auto info = co_await session().slot(status.active[its_lane]);
    if (!info) co_return pass(std::move(info.error()));
    facts().running_version = info->version;
  }
  co_return false;
}

Awaitable<Result<void>> UpdateJob::State::into_bootloader() {
  if (session().in_bootloader()) co_return Result<void>();
  tell(JobStage::restarting);
  auto restarted = co_await connection.reboot(Reboot::bootloader, kBootloaderWait);
  if (!restarted) co_return restarted;
  if (!session().in_bootloader())
    co_return fail(Errc::refused, "the board restarted, but not into its bootloader", {},
                   "Try again with --background");
  sent_away = true;
  co_return Result<void>();
}

/// Everything up to the first byte of data, on a fresh session.
Awaitable<Result<void>> UpdateJob::State::begin_anew() {
  if (wants_bootloader()) {
    auto entered = co_await into_bootloader();
    if (!entered) co_return entered;
  }
  auto rate = co_await connection.speed_up();
  if (!rate) co_return pass(std::move(rate.error()));
  facts().baud = *rate;
  if (options.baud != 0 && *rate != 0 && *rate != options.baud)
    observer.note("the transfer runs at " + std::to_string(*rate) + " baud instead of " + std::to_string(options.baud));
  co_return Result<void>();
}

Awaitable<Result<void>> UpdateJob::State::recover() {
  if (++losses > kMaxLosses) co_return fail(Errc::timeout, "the line breaks again and again", {}, "Try another cable");
  tell(JobStage::lost);
  auto back = co_await connection.recover();
  if (back) tell(JobStage::resumed);
  co_return back;
}

/// A power cycle on the way may have let our own HELLO keep the bootloader.
Awaitable<Result<void>> UpdateJob::State::recover_application() {
  auto back = co_await recover();
  if (!back || !session().in_bootloader()) co_return back;
  co_return co_await await_application();
}

Awaitable<Result<void>> UpdateJob::State::transfer() {
  TransferOptions wanted;
  wanted.slot = facts().slot;
  wanted.base_slot = facts().base_slot;
  wanted.flags = static_cast<std::uint8_t>((options.dry_run ? wire::flash::kBeginDryRun : 0U) |
                                           (options.orphan_models ? wire::flash::kBeginOrphanModels : 0U));
  wanted.compress = options.compress;
  wanted.progress = [this](const TransferProgress& progress) { show(progress); };
  const wire::flash::BundleObject object = facts().object->view();
  Transfer transfer(object, wanted, options.use_base ? cache : nullptr);
  for (bool first = true;; first = false) {
    auto ready = co_await begin_anew();
    if (ready) {
      if (first) tell(JobStage::preparing);
      ready = co_await transfer.run(session());
    }
    outcome.report = transfer.report();
    if (ready) break;
    if (connection.stopped() || !line_lost(ready.error())) co_return ready;
    auto back = co_await recover();
    if (!back) co_return back;
  }
  sent_away = false;
  facts().chunks_there = outcome.report.there;
  facts().chunks_copied = outcome.report.copied;
  outcome.already = outcome.report.already;
  outcome.written = !options.dry_run;
  if (!options.dry_run && cache != nullptr) {
    Worker worker;
    const auto keep = [this] { return cache->keep(manifest().payload_hash, facts().object->payload); };
    (void)co_await worker.run(keep);
  }
  co_return Result<void>();
}

void UpdateJob::State::show(const TransferProgress& progress) {
  auto& shown = outcome.transfer;
  const bool began = shown.chunks == 0;
  const bool ended = progress.chunks_done == progress.chunks && shown.chunks_done != progress.chunks;
  shown.chunks_done = progress.chunks_done;
  shown.chunks = progress.chunks;
  shown.payload_done = progress.payload_done;
  shown.payload_bytes = progress.payload_bytes;
  shown.line_bytes = progress.line_bytes;
  shown.effective_bps = progress.effective_bps;
  shown.line_bps = progress.line_bps;
  const auto left = static_cast<double>(progress.payload_bytes - progress.payload_done);
  shown.seconds_left = progress.effective_bps > 0 ? left / progress.effective_bps : 0;
  if (began) tell(JobStage::transferring);
  observer.progress(shown);
  if (ended) tell(JobStage::finalising);
}

Awaitable<Result<void>> UpdateJob::State::activate() {
  tell(JobStage::selecting);
  Select request;
  request.slot = facts().slot;
  request.permanent = options.permanent ? 1 : 0;
  request.attempts = options.attempts;
  for (;;) {
    auto selected = co_await session().select(request);
    if (selected) break;
    if (connection.stopped() || !line_lost(selected.error())) co_return selected;
    auto back = co_await recover();
    if (!back) co_return back;
    // The record may have been written although its answer was lost.
    auto status = co_await session().status();
    const auto its_lane = lane();
    if (status && (status->trial[its_lane] == facts().slot || status->active[its_lane] == facts().slot)) break;
  }
  if (application() || session().in_bootloader()) {
    tell(JobStage::rebooting);
    auto restarted = co_await connection.reboot(Reboot::application, options.boot_wait);
    if (!restarted && (connection.stopped() || !line_lost(restarted.error()))) co_return restarted;
    tell(JobStage::waiting);
    co_return co_await await_application(!restarted);
  }
  co_return Result<void>();
}

/// Until an application answers; a bootloader that our own HELLO kept is sent on. `silent`: it had its time already.
Awaitable<Result<void>> UpdateJob::State::await_application(bool silent) {
  for (unsigned tries = 0; tries < 4; ++tries) {
    if (!connection.connected() && !silent) {
      auto back = co_await connection.await_board(options.boot_wait);
      if (!back && connection.stopped()) co_return back;
      silent = !back;
    }
    if (!connection.connected()) {
      observer.note("the application does not answer; press RESET on the board, or plug it out and in");
      auto back = co_await connection.await_board(options.replug_wait);
      if (!back)
        co_return fail(Errc::timeout, "the application does not answer", {},
                       "Restart the board: after " + std::to_string(options.attempts) +
                           " starts without a confirmation its bootloader goes back to the version before");
      if (session().in_bootloader())
        co_return fail(Errc::verification, "version " + version_text(manifest().version) + " does not answer", {},
                       "The version before runs again; tml-flash read-log shows what happened");
    }
    if (!session().in_bootloader()) co_return Result<void>();
    auto status = co_await session().status();
    if (!status) co_return pass(std::move(status.error()));
    const bool something = std::any_of(status->active.begin(), status->active.begin() + 1,
                                       [](std::uint8_t slot) { return slot != kNoSlot; }) ||
                           status->trial[0] != kNoSlot;
    if (!something && tries != 0)
      co_return fail(Errc::verification, "the board stays in its bootloader: it has no application that starts", {},
                     "Flash an application image");
    auto restarted = co_await connection.reboot(Reboot::application, options.boot_wait);
    if (!restarted && (connection.stopped() || !line_lost(restarted.error()))) co_return restarted;
  }
  co_return fail(Errc::verification, "the board stays in its bootloader", {}, "tml-flash read-log tells why");
}

/// The newest record of the boot log in words; empty when it cannot be had.
Awaitable<std::string> UpdateJob::State::last_word() {
  auto log = co_await session().log(1);
  if (!log || log->empty()) co_return std::string();
  co_return std::string(wire::flash::text(log->front().event));
}

/// Whether the lane runs what was sent.
Awaitable<Result<void>> UpdateJob::State::check() {
  auto status = co_await session().status();
  if (!status) co_return pass(std::move(status.error()));
  const std::uint8_t its_lane = lane();
  const bool held = status->trial[its_lane] == facts().slot || status->active[its_lane] == facts().slot;
  const auto& identity = session().identity();
  if (!held) {
    const std::string why = co_await last_word();
    const std::string runs = identity.mode == Mode::application && application()
                                 ? "; the board runs " + version_text(identity.app_version) + " again"
                                 : std::string();
    co_return fail(Errc::verification,
                   "version " + version_text(manifest().version) + " did not hold" +
                       (why.empty() ? std::string() : " (" + why + ")") + runs,
                   {}, "tml-flash read-log shows what happened");
  }
  if (application() && identity.app_version != manifest().version)
    co_return fail(Errc::verification, "the application that answers is version " + version_text(identity.app_version) +
                                           " instead of " + version_text(manifest().version));
  auto info = co_await session().slot(facts().slot);
  if (!info) co_return pass(std::move(info.error()));
  if (info->state != SlotInfo::State::complete || info->payload_hash != manifest().payload_hash)
    co_return fail(Errc::verification, std::string(slot_name(facts().slot)) + " does not hold what was sent");
  facts().status = *status;
  co_return Result<void>();
}

Awaitable<Result<void>> UpdateJob::State::confirm() {
  if (options.permanent || facts().status.active[lane()] == facts().slot) {
    outcome.confirmed = true;
    co_return Result<void>();
  }
  if (!options.confirm) co_return Result<void>();
  tell(JobStage::confirming);
  for (;;) {
    auto confirmed = co_await session().confirm(lane());
    if (confirmed) break;
    if (connection.stopped()) co_return confirmed;
    if (!line_lost(confirmed.error())) co_return co_await take_back(std::move(confirmed.error()));
    auto back = co_await recover_application();
    if (!back) co_return back;
    auto held = co_await check();
    if (held && facts().status.active[lane()] == facts().slot) break;
    if (!held && (connection.stopped() || !line_lost(held.error()))) co_return held;
  }
  outcome.confirmed = true;
  co_return Result<void>();
}

/// The trial is given up; `error` says why and is what the job ends with.
Awaitable<Result<void>> UpdateJob::State::take_back(Error error) {
  if (connection.stopped() || !connection.connected() || line_lost(error)) co_return pass(std::move(error));
  auto status = co_await session().status();
  if (!status || status->trial[lane()] != facts().slot) co_return pass(std::move(error));
  tell(JobStage::reverting);
  auto reverted = co_await session().revert(lane());
  if (reverted && application()) {
    (void)co_await connection.reboot(Reboot::application, options.boot_wait);
  }
  if (!reverted) error.hint = "It could not be reverted (" + reverted.error().message() + "): restart the board";
  co_return pass(std::move(error));
}

}  // namespace tml::flashlink
