// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/rollout_engine.hpp"

#include <algorithm>
#include <array>

namespace tml::flashlink {
namespace {

constexpr std::array<std::string_view, 10> kPhaseNames{"pending",    "interrupted", "updating",  "tested",
                                                       "confirming", "unconfirmed", "confirmed", "failed",
                                                       "reverting",  "reverted"};
constexpr std::array<std::string_view, 9> kEventNames{
    "started", "passed", "failed", "confirming", "confirmed", "reverting", "reverted", "revert_failed", "halted"};

bool settled(BoardPhase phase) {
  return phase == BoardPhase::confirmed || phase == BoardPhase::failed || phase == BoardPhase::reverted;
}

}  // namespace

std::string_view name(BoardPhase phase) { return kPhaseNames[static_cast<std::size_t>(phase)]; }
std::string_view name(RolloutEventKind kind) { return kEventNames[static_cast<std::size_t>(kind)]; }

std::optional<RolloutEventKind> rollout_event(std::string_view text) {
  const auto found = std::ranges::find(kEventNames, text);
  if (found == kEventNames.end()) return std::nullopt;
  return static_cast<RolloutEventKind>(found - kEventNames.begin());
}

RolloutEngine::RolloutEngine(const RolloutPlan& plan, std::size_t boards)
    : plan_(plan), boards_(boards, BoardPhase::pending) {
  std::size_t end = plan.canary.boards(boards);
  if (end > 0) ends_.push_back(end);
  has_canary_ = end > 0;
  const std::size_t size = std::max<std::size_t>(1, plan.batch.boards(boards));
  while (end < boards) {
    end = std::min(boards, end + size);
    ends_.push_back(end);
  }
}

std::size_t RolloutEngine::batch_of(std::size_t board) const {
  return static_cast<std::size_t>(std::ranges::upper_bound(ends_, board) - ends_.begin());
}

std::size_t RolloutEngine::batch_failures(std::size_t batch) const {
  const auto begin = boards_.begin() + static_cast<std::ptrdiff_t>(first_of(batch));
  const auto end = boards_.begin() + static_cast<std::ptrdiff_t>(ends_[batch]);
  return static_cast<std::size_t>(std::count(begin, end, BoardPhase::failed));
}

bool RolloutEngine::over_budget() const {
  if (plan_.errors.exceeded(failures_, boards_.size())) return true;
  return batch_ == 0 && has_canary_ && plan_.canary_errors.exceeded(batch_failures(0), ends_[0]);
}

std::optional<RolloutAction> RolloutEngine::next() const {
  using Kind = RolloutAction::Kind;
  if (ends_.empty() || running_ >= plan_.parallel) return std::nullopt;
  const std::size_t first = first_of(batch_);
  const std::size_t end = ends_[batch_];
  const auto find = [&](BoardPhase phase) -> std::optional<std::size_t> {
    for (std::size_t board = first; board < end; ++board) {
      if (boards_[board] == phase) return board;
    }
    return std::nullopt;
  };
  if (const auto board = find(BoardPhase::interrupted)) {
    return RolloutAction{halted_ ? Kind::revert : Kind::update, *board};
  }
  if (!halted_) {
    if (const auto board = find(BoardPhase::pending)) return RolloutAction{Kind::update, *board};
  }
  // The verdict on a batch needs all of it.
  if (find(BoardPhase::updating)) return std::nullopt;
  if (const auto board = find(BoardPhase::unconfirmed)) return RolloutAction{Kind::confirm, *board};
  if (const auto board = find(BoardPhase::tested)) {
    return RolloutAction{halted_ && plan_.revert ? Kind::revert : Kind::confirm, *board};
  }
  return std::nullopt;
}

void RolloutEngine::advance() {
  while (!halted_ && batch_ + 1 < ends_.size()) {
    const auto begin = boards_.begin() + static_cast<std::ptrdiff_t>(first_of(batch_));
    const auto end = boards_.begin() + static_cast<std::ptrdiff_t>(ends_[batch_]);
    if (!std::all_of(begin, end, settled)) return;
    ++batch_;
  }
}

bool RolloutEngine::apply(RolloutEventKind kind, std::size_t board) {
  using Event = RolloutEventKind;
  if (kind == Event::halted) {
    halted_ = true;
    aborted_ = true;
    return true;
  }
  if (board >= boards_.size() || batch_of(board) != batch_) return false;
  BoardPhase& phase = boards_[board];
  const auto move = [&](BoardPhase from, BoardPhase to) {
    if (phase != from) return false;
    phase = to;
    return true;
  };
  const auto begin = [&](BoardPhase from, BoardPhase to) {
    if (!move(from, to)) return false;
    ++running_;
    return true;
  };
  const auto end = [&](BoardPhase from, BoardPhase to) {
    if (!move(from, to)) return false;
    --running_;
    return true;
  };
  bool taken = false;
  switch (kind) {
    case Event::started:
      taken = !halted_ && (begin(BoardPhase::pending, BoardPhase::updating) ||
                           begin(BoardPhase::interrupted, BoardPhase::updating));
      break;
    case Event::passed:
      taken = end(BoardPhase::updating, BoardPhase::tested);
      break;
    case Event::failed:
      taken = end(BoardPhase::updating, BoardPhase::failed) || end(BoardPhase::confirming, BoardPhase::failed);
      if (taken) {
        ++failures_;
        halted_ = halted_ || over_budget();
      }
      break;
    case Event::confirming:
      taken =
          begin(BoardPhase::tested, BoardPhase::confirming) || begin(BoardPhase::unconfirmed, BoardPhase::confirming);
      break;
    case Event::confirmed:
      taken = end(BoardPhase::confirming, BoardPhase::confirmed);
      break;
    case Event::reverting:
      taken = halted_ && (begin(BoardPhase::tested, BoardPhase::reverting) ||
                          begin(BoardPhase::interrupted, BoardPhase::reverting));
      break;
    case Event::reverted:
      taken = end(BoardPhase::reverting, BoardPhase::reverted);
      break;
    case Event::revert_failed:
      taken = end(BoardPhase::reverting, BoardPhase::failed);
      break;
    case Event::halted:
      break;
  }
  if (taken) advance();
  return taken;
}

void RolloutEngine::forget_running() {
  for (BoardPhase& phase : boards_) {
    if (phase == BoardPhase::updating || phase == BoardPhase::reverting) phase = BoardPhase::interrupted;
    if (phase == BoardPhase::confirming) phase = BoardPhase::unconfirmed;
  }
  running_ = 0;
}

}  // namespace tml::flashlink
