// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One board, from "here is a signed object" to "it runs and is confirmed". tml-flash runs one job; a rollout runs many.
//
//     connect -> choose slot and object -> [restart into the bootloader] -> transfer -> commit -> select (trial)
//             -> [restart, wait for the application] -> self-check -> confirm        or, when that fails, revert
//
// The bootloader is entered for applications unless `background`; models and data are always written while the
// application runs. A board found in its bootloader is used there and restarted at the end. Whatever goes wrong leaves
// a board that starts: the slot that runs is never written, and what was transferred stays for the next run.
//
// A cable that goes is waited for (`replug_wait`), then the job goes on where it was. stop() ends a job at the next
// answer with Errc::interrupted, after the board was sent back to its application. One executor; the objects, access
// and observer outlive run().
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"
#include "common/flashlink/payload_cache.hpp"
#include "common/flashlink/port_access.hpp"
#include "common/flashlink/signing.hpp"
#include "common/flashlink/transfer.hpp"
#include "common/wire/flash_link.hpp"

namespace tml::flashlink {

struct JobOptions {
  std::uint32_t start_baud = 115'200;  ///< At which the board starts and is looked for (wire reference 1.1).
  std::uint32_t baud = 0;              ///< Of the transfer; 0: the highest that the board names.
  std::optional<std::uint8_t> slot;    ///< Slot id; none: the one of the lane that neither runs nor is on trial.
  std::uint8_t stage = 0;              ///< Of models: 0 or 1, when `slot` is none.
  bool background = false;             ///< An application is written while the old one runs, too.
  bool dry_run = false;                ///< Stops after the board has accepted the manifest; nothing is written.
  bool activate = true;                ///< false: stop after COMMIT, the slot that runs stays.
  bool permanent = false;              ///< SELECT without a trial.
  bool confirm = true;                 ///< false: leave it on trial.
  bool use_base = true;                ///< Copies and differences against what the board has.
  bool compress = true;
  bool orphan_models = false;  ///< kBeginOrphanModels
  std::uint8_t attempts = 3;   ///< Starts of a trial.
  Millis replug_wait{20'000};
  Millis boot_wait{45'000};  ///< From restart to the first answer of the application.
};

enum class JobStage : std::uint8_t {
  connecting,
  identified,    ///< facts().board is there.
  restarting,    ///< Into the bootloader.
  preparing,     ///< BEGIN: the board checks the manifest, and hashes what the slot has.
  transferring,  ///< progress() tells how far.
  finalising,    ///< COMMIT: the board hashes the whole payload.
  selecting,
  rebooting,  ///< Into what was written.
  waiting,    ///< For the application's answer.
  checking,   ///< Whether what answers is what was sent.
  confirming,
  reverting,
  lost,     ///< The port went; the job waits for it.
  resumed,  ///< It is back.
};
/// Stable lower-case name for --json: "transferring".
[[nodiscard]] std::string_view name(JobStage stage);

struct JobProgress {
  std::uint32_t chunks_done = 0;  ///< Stored by the board.
  std::uint32_t chunks = 0;
  std::uint64_t payload_done = 0;  ///< Bytes of the object.
  std::uint64_t payload_bytes = 0;
  std::uint64_t line_bytes = 0;  ///< Sent so far, frames, repetitions and all.
  double effective_bps = 0;      ///< Payload bytes per second since the transfer began.
  double line_bps = 0;           ///< Bytes per second on the line; baud / 10 at most.
  double seconds_left = 0;
};

/// What the job knows; grows as it goes.
struct JobFacts {
  wire::flash::Identity board;       ///< As it first answered.
  wire::flash::DeviceStatus status;  ///< Then.
  std::uint8_t slot = wire::flash::kNoSlot;
  std::uint8_t base_slot = wire::flash::kNoSlot;
  std::uint32_t running_version = 0;     ///< Of what the lane runs now; 0: nothing.
  const SignedObject* object = nullptr;  ///< That was chosen.
  std::uint32_t baud = 0;                ///< Of the transfer.
  std::uint32_t chunks_there = 0;        ///< Found in the slot: resumed.
  std::uint32_t chunks_copied = 0;       ///< From the base slot.
};

struct JobOutcome {
  JobFacts facts;
  bool already = false;    ///< The lane runs exactly this; nothing was done.
  bool activated = false;  ///< The lane runs it now.
  bool confirmed = false;
  bool written = false;  ///< It is in the slot, whole.
  JobProgress transfer;  ///< At its end.
  TransferReport report;
};

class JobObserver {
 public:
  virtual ~JobObserver() = default;
  virtual void stage(JobStage stage, const JobFacts& facts) = 0;
  virtual void progress(const JobProgress& progress) = 0;
  /// Something that is worth a line: "the board did not take 921600 baud; the transfer runs at 115200".
  virtual void note(std::string_view text) = 0;
};

class UpdateJob {
 public:
  /// `objects`: a bundle's, of which the one that fits the slot is taken. `cache` may be null.
  UpdateJob(PortAccess& access, std::span<const SignedObject> objects, const JobOptions& options,
            const PayloadCache* cache, JobObserver& observer);
  ~UpdateJob();
  UpdateJob(const UpdateJob&) = delete;
  UpdateJob& operator=(const UpdateJob&) = delete;

  /// Once. Errors: the port's; refusals by the board (refusal.hpp); Errc::unplugged when the cable did not come back;
  /// Errc::timeout when nothing, Errc::garbage when something else answers; Errc::verification for a trial that did not
  /// hold: it was reverted.
  [[nodiscard]] serial::Awaitable<Result<JobOutcome>> run();
  /// From the executor. Idempotent.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Where a job's object belongs: by class, Manifest::slots, product and hardware of the board, and what is in use.
struct Choice {
  std::uint8_t slot = wire::flash::kNoSlot;
  std::uint8_t base_slot = wire::flash::kNoSlot;
  const SignedObject* object = nullptr;
};
/// Errc::refused when the wanted slot is in use, Errc::verification when no object of the file fits slot, product or
/// hardware.
[[nodiscard]] Result<Choice> choose_slot(std::span<const SignedObject> objects, const wire::flash::Identity& board,
                                         const wire::flash::DeviceStatus& status, const JobOptions& options);

}  // namespace tml::flashlink
