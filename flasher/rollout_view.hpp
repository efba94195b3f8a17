// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A rollout while it runs: on a terminal one bar per board under way, below the lines of those that have ended;
// elsewhere the lines alone; with --json one object per record of the journal. On the loop's thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/cli/reporter.hpp"
#include "common/flashlink/rollout_runner.hpp"

namespace tml::flasher {

class RolloutView final : public flashlink::RolloutObserver {
 public:
  RolloutView(cli::Reporter& reporter, const std::vector<flashlink::JournalBoard>& boards, bool quiet, Clock& clock);

  void record(const flashlink::JournalRecord& record) override;
  void progress(std::size_t board, const flashlink::BoardProgress& progress) override;
  /// Takes the bars away; before anything else is printed.
  void close();

 private:
  void draw();
  void erase();

  cli::Reporter& reporter_;
  const std::vector<flashlink::JournalBoard>& boards_;
  Clock& clock_;
  bool bars_ = false;
  std::map<std::size_t, flashlink::BoardProgress> running_;
  std::size_t drawn_lines_ = 0;
  std::chrono::nanoseconds drawn_at_{0};
  std::size_t settled_ = 0;
};

}  // namespace tml::flasher
