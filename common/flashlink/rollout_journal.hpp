// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The journal of a rollout: one JSON object per line, appended and synced to the disk before what it announces is done
// (docs/rollout.md has every field). A kill may leave the last line torn: it is cut off when the journal is opened
// again. While a runner has it open it is locked.
//
//   line 1: {"journal":"tml-rollout-1", name, plan, plan_file, plan_sha256, file_sha256, to, boards: [...], t}
//   then:   {"event": E, "board": n, ... , "t": unix_ms}
//
// All calls block: keep them off the loop. Errors: fail_errno's; Errc::malformed names the line; Errc::busy: another
// process runs this rollout; Errc::duplicate: create() found one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/base/file.hpp"
#include "common/flashlink/rollout_engine.hpp"

namespace tml::flashlink {

inline constexpr std::size_t kMaxJournalBytes = std::size_t{64} << 20U;

struct JournalBoard {
  std::string id;
  std::string port;
  std::string product;
  std::uint32_t from = 0;  ///< Version that the lane ran when the plan was made; 0: nothing.
};

struct JournalHead {
  std::string name;
  std::string plan;       ///< Text of PLAN.toml.
  std::string plan_file;  ///< Absolute path.
  std::string plan_hash;  ///< SHA-256 in hex.
  std::string file_hash;  ///< Of the file that is flashed.
  std::string to;         ///< Its version, "1.3.0".
  std::vector<JournalBoard> boards;
  std::int64_t unix_ms = 0;
};

struct JournalRecord {
  std::string event;  ///< A RolloutEventKind's name, or "resumed", "finished".
  std::optional<std::size_t> board;
  std::int64_t unix_ms = 0;
  double seconds = 0;  ///< How long that took; 0: not told.
  std::string code;    ///< Of an error.
  std::string message;
  std::string self_test;  ///< "4 windows", "failed", empty: none.
};

struct JournalContent {
  JournalHead head;
  std::vector<JournalRecord> records;
  bool torn = false;  ///< The last line was cut off by a kill.
};

/// The whole text. A last line without an end is left out.
[[nodiscard]] Result<JournalContent> parse_journal(std::string_view text, std::string_view where);
[[nodiscard]] std::string journal_line(const JournalHead& head);
[[nodiscard]] std::string journal_line(const JournalRecord& record);

/// Replays records into a fresh engine. Errc::malformed for a record that cannot follow those before it.
[[nodiscard]] Result<void> replay(const JournalContent& content, RolloutEngine& engine, std::string_view where);

class RolloutJournal {
 public:
  /// `state_dir`/rollouts/NAME.jsonl
  [[nodiscard]] static std::filesystem::path path_of(const std::filesystem::path& state_dir, const std::string& name);

  [[nodiscard]] static Result<RolloutJournal> create(const std::filesystem::path& path, const JournalHead& head);
  /// For going on; `content` is what it says.
  [[nodiscard]] static Result<RolloutJournal> open(const std::filesystem::path& path, JournalContent& content);
  /// For looking at, also while it grows.
  [[nodiscard]] static Result<JournalContent> read(const std::filesystem::path& path);
  /// Whether a runner has it open now.
  [[nodiscard]] static bool is_running(const std::filesystem::path& path);

  /// Durable when it returns.
  [[nodiscard]] Result<void> append(const JournalRecord& record);
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  RolloutJournal(std::filesystem::path path, UniqueFd file) : path_(std::move(path)), file_(std::move(file)) {}
  [[nodiscard]] Result<void> write(std::string_view line);
  std::filesystem::path path_;
  UniqueFd file_;
};

}  // namespace tml::flashlink
