// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/rollout_runner.hpp"

#include <memory>
#include <optional>

#include "common/base/spawn.hpp"

namespace tml::flashlink {
namespace {

RolloutEventKind beginning_of(RolloutAction::Kind kind) {
  switch (kind) {
    case RolloutAction::Kind::update:
      return RolloutEventKind::started;
    case RolloutAction::Kind::confirm:
      return RolloutEventKind::confirming;
    case RolloutAction::Kind::revert:
      break;
  }
  return RolloutEventKind::reverting;
}

JournalRecord error_record(const Error& error) {
  JournalRecord record;
  record.code = std::string(errc_name(error.code));
  record.message = error.message();
  return record;
}

}  // namespace

/// Cancels a board's step when its time is up.
struct RolloutRunner::Deadline {
  explicit Deadline(const boost::asio::any_io_executor& executor) : pause(executor) {}
  Pause pause;
  bool over = false;
  bool expired = false;
};

RolloutRunner::RolloutRunner(boost::asio::any_io_executor executor, const RolloutPlan& plan,
                             const std::vector<JournalBoard>& boards, RolloutEngine& engine, RolloutJournal& journal,
                             BoardUpdater& updater, RolloutObserver& observer, Clock& clock)
    : executor_(std::move(executor)),
      plan_(plan),
      boards_(boards),
      engine_(engine),
      journal_(journal),
      updater_(updater),
      observer_(observer),
      clock_(clock),
      journal_lock_(executor_),
      changed_(executor_) {}

void RolloutRunner::stop() {
  stopping_ = true;
  for (std::size_t board = 0; board < boards_.size(); ++board) {
    const BoardPhase phase = engine_.phase(board);
    if (phase == BoardPhase::updating || phase == BoardPhase::confirming || phase == BoardPhase::reverting) {
      updater_.cancel(boards_[board].port);
    }
  }
  changed_.set();
}

void RolloutRunner::halt() {
  halting_ = true;
  changed_.set();
}

double RolloutRunner::seconds_since(std::chrono::nanoseconds start) const {
  return std::chrono::duration<double>(clock_.steady() - start).count();
}

Awaitable<void> RolloutRunner::write(JournalRecord record) {
  record.unix_ms = clock_.unix_ms();
  auto append = [journal = &journal_, record] { return journal->append(record); };
  auto written = co_await worker_.run(std::move(append));
  if (!written && !failed_) failed_ = written.error();
  observer_.record(record);
}

Awaitable<void> RolloutRunner::note(RolloutEventKind kind, std::size_t board, JournalRecord record) {
  // The engine decides and the journal tells in one and the same order.
  const auto lock = co_await journal_lock_.lock();
  record.event = std::string(name(kind));
  if (kind != RolloutEventKind::halted) record.board = board;
  if (!engine_.apply(kind, board) && !failed_) {
    failed_ = Error{Errc::failed, "an event that cannot follow: " + record.event, boards_[board].port, {}, {}};
  }
  co_await write(std::move(record));
}

Awaitable<bool> RolloutRunner::begin_next() {
  std::optional<RolloutAction> action;
  {
    const auto lock = co_await journal_lock_.lock();
    if (stopping_ || failed_) co_return false;
    JournalRecord record;
    if (halting_ && !engine_.aborted()) {
      (void)engine_.apply(RolloutEventKind::halted, 0);
      record.event = std::string(name(RolloutEventKind::halted));
      co_await write(std::move(record));
      co_return true;
    }
    action = engine_.next();
    if (!action) co_return false;
    const RolloutEventKind kind = beginning_of(action->kind);
    (void)engine_.apply(kind, action->board);
    record.event = std::string(name(kind));
    record.board = action->board;
    co_await write(std::move(record));
  }
  if (failed_) co_return false;
  ++tasks_;
  spawn_logged(executor_, serve(*action), boards_[action->board].port);
  co_return true;
}

Awaitable<void> RolloutRunner::watch(std::shared_ptr<Deadline> deadline, std::string port) {
  (void)co_await deadline->pause.wait_for(plan_.board_timeout);
  if (deadline->over) co_return;
  deadline->expired = true;
  updater_.cancel(port);
}

Error RolloutRunner::judged(Error error, const Deadline& deadline, const std::string& port) const {
  if (!deadline.expired || error.code != Errc::interrupted) return error;
  return Error{Errc::timeout,
               "not done within " + std::to_string(plan_.board_timeout.count() / 1000) + " s",
               port,
               "Give slow boards more time with timeouts.board_s",
               {}};
}

Awaitable<Result<std::string>> RolloutRunner::update_and_test(std::size_t index) {
  const JournalBoard& board = boards_[index];
  const BoardProgressFn progress = [this, index](const BoardProgress& now) { observer_.progress(index, now); };
  auto updated = co_await updater_.update(board.port, board.id, progress);
  if (!updated) co_return pass(updated.error());
  if (stopping_) co_return fail(Errc::interrupted, "interrupted", board.port);
  auto tested = co_await updater_.self_test(board.port, board.id, progress);
  if (tested || tested.error().code == Errc::interrupted) co_return tested;
  Error error = tested.error();
  auto reverted = co_await updater_.revert(board.port, board.id);
  if (!reverted) error.what += " (and it could not be reverted: " + reverted.error().message() + ")";
  co_return pass(std::move(error));
}

Awaitable<void> RolloutRunner::serve(RolloutAction action) {
  using Kind = RolloutAction::Kind;
  const JournalBoard& board = boards_[action.board];
  const auto start = clock_.steady();
  auto deadline = std::make_shared<Deadline>(executor_);
  spawn_logged(executor_, watch(deadline, board.port), board.port);
  JournalRecord record;
  std::optional<Error> error;
  if (action.kind == Kind::update) {
    auto done = co_await update_and_test(action.board);
    if (done) record.self_test = *done;
    if (!done) error = done.error();
  } else if (action.kind == Kind::confirm) {
    auto done = co_await updater_.confirm(board.port, board.id);
    if (!done) error = done.error();
  } else {
    auto done = co_await updater_.revert(board.port, board.id);
    if (!done) error = done.error();
  }
  deadline->over = true;
  deadline->pause.wake();
  if (error) error = judged(*std::move(error), *deadline, board.port);
  // What was interrupted has no end in the journal: the next run does it again.
  if (!error || error->code != Errc::interrupted) {
    if (error) record = error_record(*error);
    record.seconds = seconds_since(start);
    RolloutEventKind kind = RolloutEventKind::passed;
    if (action.kind == Kind::confirm) kind = RolloutEventKind::confirmed;
    if (action.kind == Kind::revert) kind = RolloutEventKind::reverted;
    if (error) kind = action.kind == Kind::revert ? RolloutEventKind::revert_failed : RolloutEventKind::failed;
    co_await note(kind, action.board, std::move(record));
  } else {
    stopping_ = true;
  }
  --tasks_;
  changed_.set();
}

Awaitable<Result<void>> RolloutRunner::run() {
  for (;;) {
    const bool begun = co_await begin_next();
    if (begun) continue;
    if (tasks_ == 0 && (stopping_ || failed_ || engine_.finished())) break;
    co_await changed_.wait();
    changed_.clear();
  }
  if (failed_) co_return pass(*failed_);
  if (!engine_.finished()) co_return fail(Errc::interrupted, "the rollout was interrupted", plan_.name);
  JournalRecord record;
  record.event = "finished";
  co_await write(std::move(record));
  if (failed_) co_return pass(*failed_);
  co_return Result<void>{};
}

}  // namespace tml::flashlink
