// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Carries out what the engine decides: up to plan.parallel boards at a time, each event in the journal before the next
// step is taken. stop() (Ctrl-C) begins nothing new and ends what is under way; what has no end in the journal is done
// again by the next run. halt() (abort) lets boards under way come to their end, then the batch goes back.
//
// One executor; journal writes are on a worker thread. Everything passed in outlives run().
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/sync.hpp"
#include "common/base/worker.hpp"
#include "common/flashlink/board_updater.hpp"
#include "common/flashlink/rollout_journal.hpp"

namespace tml::flashlink {

class RolloutObserver {
 public:
  virtual ~RolloutObserver() = default;
  /// What was just written to the journal.
  virtual void record(const JournalRecord& record) = 0;
  virtual void progress(std::size_t board, const BoardProgress& progress) = 0;
};

class RolloutRunner {
 public:
  RolloutRunner(boost::asio::any_io_executor executor, const RolloutPlan& plan, const std::vector<JournalBoard>& boards,
                RolloutEngine& engine, RolloutJournal& journal, BoardUpdater& updater, RolloutObserver& observer,
                Clock& clock);

  /// Until the engine is finished, or stopped. Errc::interrupted after stop(); the journal's errors (nothing more is
  /// begun then). Whether boards failed is the engine's to tell.
  [[nodiscard]] Awaitable<Result<void>> run();
  void stop();
  void halt();

 private:
  struct Deadline;
  /// True when something was begun: ask again.
  [[nodiscard]] Awaitable<bool> begin_next();
  [[nodiscard]] Awaitable<void> serve(RolloutAction action);
  [[nodiscard]] Awaitable<Result<std::string>> update_and_test(std::size_t index);
  [[nodiscard]] Awaitable<void> watch(std::shared_ptr<Deadline> deadline, std::string port);
  [[nodiscard]] Error judged(Error error, const Deadline& deadline, const std::string& port) const;
  [[nodiscard]] Awaitable<void> note(RolloutEventKind kind, std::size_t board, JournalRecord record);
  [[nodiscard]] Awaitable<void> write(JournalRecord record);
  [[nodiscard]] double seconds_since(std::chrono::nanoseconds start) const;

  boost::asio::any_io_executor executor_;
  const RolloutPlan& plan_;
  const std::vector<JournalBoard>& boards_;
  RolloutEngine& engine_;
  RolloutJournal& journal_;
  BoardUpdater& updater_;
  RolloutObserver& observer_;
  Clock& clock_;
  Worker worker_;
  Mutex journal_lock_;
  Event changed_;
  std::size_t tasks_ = 0;
  bool stopping_ = false;
  bool halting_ = false;
  std::optional<Error> failed_;
};

}  // namespace tml::flashlink
