// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One signed object into one slot, from BEGIN to COMMIT; SELECT and what follows is the caller's (update_job.hpp).
//
//     BEGIN, LIST -> [chunks that the board can copy: COPY] -> data, each chunk in its shortest form -> COMMIT
//
// A transfer outlives a session: when run() ends with Errc::unplugged or Errc::timeout, call it again with a new
// session and it goes on with what the board does not have, by the board's own account. What was on its way then is
// sent again: at most one window and the chunk before it (TransferReport::again_chunks counts them).
//
// Hashing, compression and the cache work on a thread of their own. Object, cache and sessions outlive run(). One
// coroutine at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "common/flashlink/payload_cache.hpp"
#include "common/flashlink/session.hpp"

namespace tml::flashlink {

struct TransferProgress {
  std::uint32_t chunks_done = 0;  ///< Stored by the board, with those that were there and those copied.
  std::uint32_t chunks = 0;
  std::uint64_t payload_done = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t line_bytes = 0;  ///< Sent so far.
  double seconds = 0;            ///< Since the first data of this transfer; time without a session counts.
  double effective_bps = 0;      ///< Payload bytes stored since then, per second.
  double line_bps = 0;           ///< Bytes on the line per second.
};
/// Called at most every 50 ms, and at the end.
using ProgressFn = std::function<void(const TransferProgress&)>;

struct TransferOptions {
  std::uint8_t slot = wire::flash::kNoSlot;
  std::uint8_t base_slot = wire::flash::kNoSlot;  ///< For copies and deltas; kNoSlot: neither.
  std::uint8_t flags = 0;                         ///< wire::flash::kBeginDryRun, kBeginOrphanModels
  bool compress = true;
  ProgressFn progress;
};

struct TransferReport {
  bool already = false;  ///< The lane runs exactly this: nothing was done.
  bool dry_run = false;  ///< The board would take it; nothing was written.
  std::uint32_t chunks = 0;
  std::uint32_t there = 0;   ///< Chunks that the slot had at the first BEGIN.
  std::uint32_t copied = 0;  ///< From the base slot.
  std::uint32_t raw = 0;     ///< Chunks sent, by form.
  std::uint32_t deflated = 0;
  std::uint32_t deltas = 0;
  std::uint64_t sent_bytes = 0;   ///< Of those chunks as sent, without repetitions and frames.
  std::uint64_t line_bytes = 0;   ///< Data frames, all of them.
  std::uint64_t again_bytes = 0;  ///< Granule bytes sent more than once because of losses.
  std::uint64_t lost_frames = 0;
  std::uint32_t again_chunks = 0;  ///< Begun or finished before an interruption, and not kept by the board.
  std::uint32_t sessions = 0;
  double data_seconds = 0;   ///< First data to last acknowledgement.
  double total_seconds = 0;  ///< From run() to COMMIT's answer.
};

class Transfer {
 public:
  /// `cache` may be null: then no deltas. Payload of at most kMaxChunks chunks.
  Transfer(const wire::flash::BundleObject& object, TransferOptions options, const PayloadCache* cache = nullptr);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// Errors: session.hpp's; Errc::verification when the board rejects a chunk again and again. Session::cancel() ends
  /// it with Errc::interrupted after an ABORT; what is stored stays and is found by the next transfer.
  [[nodiscard]] serial::Awaitable<Result<void>> run(Session& session);
  [[nodiscard]] const TransferReport& report() const;
  [[nodiscard]] TransferProgress progress() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tml::flashlink
