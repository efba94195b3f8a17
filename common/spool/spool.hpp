// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The durable outbox (docs/spool.md). A capture is in it before anyone is told "done", and leaves it only on the
// server's receipt.
//
// Folder (0700): spool.db (SQLite, WAL, synchronous=FULL, 0600), blobs/<sha256> for payloads above kInlineBytes,
// delivery.lock, open.lock. put() returns after the commit is on the disk; whatever a process or power failure
// interrupts is either wholly there or not at all. A Spool belongs to one thread (AsyncSpool gives it its own); any
// number of processes may have the same folder open. Errors: Errc::disk_full (nothing was written), Errc::busy (another
// process held the write lock for more than 30 s), Errc::permission, Errc::not_found, Errc::verification (a payload no
// longer matches its hash), Errc::malformed (not a spool, or damaged), Errc::unsupported (newer schema), Errc::io.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"
#include "common/base/random.hpp"
#include "common/spool/entry.hpp"

namespace tml::spool {

inline constexpr std::size_t kInlineBytes =
    std::size_t{1024} * 1024;  ///< Up to here the payload is a blob in SQLite, above a file.

struct SpoolOptions {
  std::filesystem::path folder;
  bool read_only = false;       ///< For list and verify beside a running daemon: never creates, never repairs.
  bool check_integrity = true;  ///< PRAGMA quick_check on open.
  std::uint32_t max_pages = 0;  ///< SQLite max_page_count; 0 = no bound. (Pages of 4 KiB.)
};

class Spool {
 public:
  /// Creates the folder and the database when they are not there (unless read_only), migrates an older schema, removes
  /// left-over blob files. `clock` and `random` must outlive the Spool.
  [[nodiscard]] static Result<std::unique_ptr<Spool>> open(SpoolOptions options, Clock& clock, Random& random);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  /// Durable when it returns. Every call makes a new entry with a new envelope id, whatever the content.
  [[nodiscard]] Result<PutResult> put(NewEntry entry);

  /// As put(), for a file read from a board: idempotent by (board, sha256) until board_file_done(), so that a daemon
  /// killed between this commit and AT+UNLINKFILE does not capture twice. Removes the intent `intent_id` (0 = none) in
  /// the same commit.
  [[nodiscard]] Result<PutResult> put_capture(const std::string& board, const std::string& board_file, NewEntry entry,
                                              std::int64_t intent_id = 0);
  /// Captured and committed, but the file was not seen to be deleted: delete these on the board first, then
  /// board_file_done().
  [[nodiscard]] Result<std::vector<BoardFile>> board_file_pending(const std::string& board);
  /// The file is off the board (or was never a stored file). No error when nothing is known of it.
  [[nodiscard]] Result<void> board_file_done(const std::string& board, const std::string& board_file);

  /// Durable when it returns; gives the id.
  [[nodiscard]] Result<std::int64_t> intent_put(Intent intent);
  [[nodiscard]] Result<std::vector<Intent>> intents(const std::string& board);
  /// The newest intent of the board whose label the file name starts with ("/fs/idle.3" -> label "idle"; the longest
  /// label wins).
  [[nodiscard]] Result<std::optional<Intent>> intent_for_file(const std::string& board, std::string_view board_file);
  [[nodiscard]] Result<void> intent_done(std::int64_t id);

  /// All entries in order of arrival; `device` empty = all devices.
  [[nodiscard]] Result<std::vector<EntryInfo>> list(std::string_view device = {});
  [[nodiscard]] Result<EntryInfo> find(const std::string& envelope);
  [[nodiscard]] Result<Totals> totals();
  /// Of the device's entries, those with `from_sequence` or more.
  [[nodiscard]] Result<DeviceTotals> totals_of(std::string_view device, std::int64_t from_sequence);
  /// The bytes, checked against the entry's hash.
  [[nodiscard]] Result<std::string> payload(const std::string& envelope);

  /// The oldest pending or held entry of each device, where it is due at `now_ms`: what may be sent now, one per
  /// device.
  [[nodiscard]] Result<std::vector<EntryInfo>> due(std::int64_t now_ms, std::size_t limit);
  /// The oldest pending or held entry of each device, due or not.
  [[nodiscard]] Result<std::vector<EntryInfo>> heads();
  /// When the next head entry becomes due (unix ms); none when nothing waits.
  [[nodiscard]] Result<std::optional<std::int64_t>> next_due();
  /// The server's receipt is here: the entry leaves. No error when it has left before.
  [[nodiscard]] Result<void> mark_delivered(const std::string& envelope);
  /// Counts an attempt. `state`: pending (network, 5xx) or held (key refused).
  [[nodiscard]] Result<void> mark_failed(const std::string& envelope, State state, std::string_view error,
                                         std::int64_t next_attempt_ms);
  /// Quarantine: kept, shown, does not block its device.
  [[nodiscard]] Result<void> mark_refused(const std::string& envelope, std::string_view reason);
  /// Counts an attempt before it is made, so that a retry after a crash is known to be one.
  [[nodiscard]] Result<void> mark_attempt(const std::string& envelope);

  /// Makes every pending and held entry due now; with `refused_too` the quarantined ones as well. Returns how many.
  [[nodiscard]] Result<std::uint64_t> make_due(bool refused_too = false);
  /// Deletes an entry for good, payload included: only on a person's explicit request.
  [[nodiscard]] Result<void> discard(const std::string& envelope);

  struct VerifyReport {
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
    std::vector<std::string> damaged;  ///< "<envelope>: <what is wrong>"
  };
  /// Integrity check of the database, and every payload hashed again.
  [[nodiscard]] Result<VerifyReport> verify();
  /// Writes each payload as "<sequence>-<envelope><extension>" (never a name from outside) beside `manifest.json`,
  /// which holds the facts. The folder is created. Returns how many entries. Nothing leaves the spool.
  [[nodiscard]] Result<std::uint64_t> export_to(const std::filesystem::path& folder);

  /// Small facts that survive a restart (for example: which servers know envelopes). Bounded: 256 bytes each.
  [[nodiscard]] Result<void> set_fact(const std::string& name, const std::string& value);
  [[nodiscard]] Result<std::optional<std::string>> fact(const std::string& name);

  /// Called by tests between the steps of a commit, to die there. Empty in production.
  std::function<void(const char* step)> on_step;

 private:
  Spool();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Only one process may deliver from a spool; flock on delivery.lock, released by the kernel when the process dies.
/// Errc::busy names the holder's pid.
class DeliveryLock {
 public:
  [[nodiscard]] static Result<DeliveryLock> take(const std::filesystem::path& folder);
  DeliveryLock(DeliveryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  DeliveryLock& operator=(DeliveryLock&& other) noexcept;
  ~DeliveryLock();

 private:
  explicit DeliveryLock(int fd) : fd_(fd) {}
  int fd_ = -1;
};

}  // namespace tml::spool
