// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The decisions of a rollout as a state machine without I/O: which board may be started now, when the rollout halts,
// what is confirmed and what goes back. Time, ports and files are the runner's (rollout_runner.hpp). The same apply()
// takes what happens live and what a journal tells of an earlier run, so a killed rollout goes on where it was.
//
//   batch 0 = the canary, then batches of equal size.
//   Of one batch: update (the board runs the new on trial) and self-test, `parallel` at a time
//     -> all are settled and the failures are within the budget: confirm each, then the next batch
//     -> the budget is exceeded: halted. No board is started any more, those under way come to their end, then every
//        board of this batch that runs the new on trial goes back (plan.revert), else is confirmed.
//   A board that fails is not confirmed: update jobs leave it on the old, a failed self-test reverts it at once.
//
// Invariants (tests/unit/flashlink): a board is never started after the failure that exceeds the budget, nor after
// halt(); never started twice, but for one whose start found no end before a kill; only boards that passed are
// confirmed; no batch begins before the one before it is confirmed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/flashlink/rollout_plan.hpp"

namespace tml::flashlink {

enum class BoardPhase : std::uint8_t {
  pending,      ///< Not started.
  interrupted,  ///< Was under way when the host died: may run the old, or the new on trial.
  updating,     ///< Update and self-test are under way.
  tested,       ///< Runs the new on trial, and passed.
  confirming,
  unconfirmed,  ///< Was being confirmed when the host died: has to be confirmed, whatever came since.
  confirmed,    ///< Runs the new.
  failed,       ///< Runs the old (or is away); counted against the budget.
  reverting,
  reverted,  ///< Runs the old, because its batch failed.
};
[[nodiscard]] std::string_view name(BoardPhase phase);

enum class RolloutEventKind : std::uint8_t {
  started,  ///< Of a board.
  passed,   ///< Updated and tested.
  failed,   ///< Update, self-test, or confirmation.
  confirming,
  confirmed,
  reverting,
  reverted,
  revert_failed,
  halted,  ///< From outside: abort.
};
[[nodiscard]] std::string_view name(RolloutEventKind kind);
/// Nothing for another text.
[[nodiscard]] std::optional<RolloutEventKind> rollout_event(std::string_view name);

struct RolloutAction {
  enum class Kind : std::uint8_t { update, confirm, revert };
  Kind kind = Kind::update;
  std::size_t board = 0;
  friend bool operator==(const RolloutAction&, const RolloutAction&) = default;
};

class RolloutEngine {
 public:
  /// Boards 0 to `boards` - 1 in the order in which they go.
  RolloutEngine(const RolloutPlan& plan, std::size_t boards);

  /// The next thing to do, if one may begin now; apply() its started, confirming or reverting event before asking
  /// again. At most plan.parallel are under way.
  [[nodiscard]] std::optional<RolloutAction> next() const;
  /// False for an event that cannot follow the present state (a damaged journal): nothing has changed then.
  [[nodiscard]] bool apply(RolloutEventKind kind, std::size_t board);
  /// After a journal was replayed: what was under way has to be done again.
  void forget_running();

  [[nodiscard]] BoardPhase phase(std::size_t board) const { return boards_[board]; }
  [[nodiscard]] std::size_t size() const { return boards_.size(); }
  [[nodiscard]] std::size_t batches() const { return ends_.size(); }
  [[nodiscard]] std::size_t batch_of(std::size_t board) const;
  [[nodiscard]] std::size_t failures() const { return failures_; }
  [[nodiscard]] std::size_t running() const { return running_; }
  /// Budget exceeded, or aborted.
  [[nodiscard]] bool halted() const { return halted_; }
  [[nodiscard]] bool aborted() const { return aborted_; }
  /// Nothing is under way and nothing will be.
  [[nodiscard]] bool finished() const { return running_ == 0 && !next(); }

 private:
  [[nodiscard]] bool over_budget() const;
  [[nodiscard]] std::size_t batch_failures(std::size_t batch) const;
  [[nodiscard]] std::size_t first_of(std::size_t batch) const { return batch == 0 ? 0 : ends_[batch - 1]; }
  void advance();

  RolloutPlan plan_;
  std::vector<BoardPhase> boards_;
  std::vector<std::size_t> ends_;  // Of each batch: behind its last board.
  bool has_canary_ = false;
  std::size_t batch_ = 0;  // That is under way.
  std::size_t failures_ = 0;
  std::size_t running_ = 0;
  bool halted_ = false;
  bool aborted_ = false;
};

}  // namespace tml::flashlink
