// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The part of BoardActor that gives its port to another process and takes it back (docs/tml-daemon.md, "Control
// socket").
#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "daemon/board_actor.hpp"

namespace tml::daemon {
namespace {

/// How long the server's connection may take to carry off what it was told last.
constexpr int kFlushTurns = 50;
constexpr Millis kFlushTurn{20};

}  // namespace

void BoardActor::remember(const Board& board) {
  known_.id = board.device_id();
  known_.key = board.key();
  known_.type = board.info.type;
  known_.version = firmware_version(board.about);
}

BoardFacts BoardActor::facts() const {
  BoardFacts facts = known_;
  if (const auto found = context_.settings.devices.find(known_.key); found != context_.settings.devices.end()) {
    if (const auto name = found->second.find("name"); name != found->second.end()) facts.name = name->second;
  }
  facts.loan = loan_;
  if (loan_) {
    facts.state = "lent";
  } else if (sampling_) {
    facts.state = "sampling";
  } else if (board_) {
    facts.state = "serving";
  } else {
    facts.state = vacant_.is_set() ? "waiting" : "connecting";
  }
  return facts;
}

Awaitable<Result<void>> BoardActor::lend(Loan loan, bool force) {
  const auto self = shared_from_this();
  if (stopping_) co_return fail(Errc::interrupted, "the daemon ends", path_);
  if (loan_) {
    co_return fail(Errc::busy, "the board is lent to " + loan_->owner + " (pid " + std::to_string(loan_->pid) + ")",
                   path_, "Wait until it is given back");
  }
  if (sampling_ && !force) {
    co_return fail(Errc::busy, "the board is sampling", path_, "Wait for the sample, or borrow it with force");
  }
  // From now on nobody else gets it, although the port may still be open for a while.
  loan_ = std::move(loan);
  opened_before_ = true;
  if (const auto opening = opening_.lock()) opening->stream->close();
  snapshots_.reset();
  if (board_) {
    board_->session->stop_snapshot_stream();
    lost_.set();
  }
  retry_.wake();
  co_await vacant_.wait();
  if (stopping_) co_return fail(Errc::interrupted, "the daemon ends", path_);
  co_return Result<void>{};
}

void BoardActor::take_back() {
  loan_.reset();
  last_open_error_.clear();
  retry_.wake();
}

Awaitable<void> BoardActor::make_way(std::shared_ptr<Board> board) {
  // A stream was asked to end, and leaves the board at its prompt.
  if (children_ > 0 && !stream_has_line_ && board->stream->is_open()) {
    auto aborted = co_await board->session->abort();
    if (!aborted) log_debug(path_ + ": " + aborted.error().message());
  }
  co_await childless_.wait();
  Pause pause(context_.io.get_executor());
  for (int turn = 0; turn < kFlushTurns && link_ && link_->accepted() && !link_->idle(); ++turn) {
    co_await pause.wait_for(kFlushTurn);
  }
}

}  // namespace tml::daemon
