// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a journal says, for people and programs: one row per board and a verdict.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "common/flashlink/rollout_journal.hpp"

namespace tml::flasher {

struct RolloutRow {
  std::string board;
  std::string port;
  std::string from;
  std::string to;
  std::string result;  ///< A phase's name; "running" while it is updated.
  double seconds = 0;  ///< Of update and self-test.
  std::string self_test;
  std::string code;
  std::string remark;  ///< Why it failed.
};

struct RolloutReport {
  std::string name;
  std::string state;  ///< "complete", "halted", "aborted", "running", "interrupted"
  std::size_t boards = 0;
  std::size_t confirmed = 0;
  std::size_t failed = 0;
  std::size_t reverted = 0;
  std::vector<RolloutRow> rows;
  /// No board is left that a rollout would have to do something to, and none failed.
  [[nodiscard]] bool good() const { return confirmed == boards; }
};

/// `running`: a process has the journal open. Errors: those of parse_plan() and replay().
[[nodiscard]] Result<RolloutReport> report_of(const flashlink::JournalContent& content, bool running,
                                              const std::string& where);
[[nodiscard]] nlohmann::json report_json(const RolloutReport& report);
/// The table and one line under it.
[[nodiscard]] std::string report_text(const RolloutReport& report);

}  // namespace tml::flasher
