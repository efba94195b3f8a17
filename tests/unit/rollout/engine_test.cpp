// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The halt rule under any interleaving of any failures, kills of the host, and aborts.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>

#include "common/flashlink/rollout_engine.hpp"
#include "common/flashlink/rollout_journal.hpp"

namespace tml::flashlink {
namespace {

using Event = RolloutEventKind;
using Kind = RolloutAction::Kind;

RolloutPlan plan_of(std::uint32_t canary, std::uint32_t batch, std::uint32_t parallel, std::uint32_t budget) {
  RolloutPlan plan;
  plan.canary.count = canary;
  plan.batch.count = batch;
  plan.parallel = parallel;
  plan.errors.count = budget;
  return plan;
}

TEST(RolloutEngine, CanaryThenBatches) {
  RolloutEngine engine(plan_of(2, 3, 2, 0), 7);
  EXPECT_EQ(engine.batches(), 3U);
  EXPECT_EQ(engine.batch_of(1), 0U);
  EXPECT_EQ(engine.batch_of(2), 1U);
  EXPECT_EQ(engine.batch_of(6), 2U);
  for (std::size_t board : {0U, 1U}) {
    ASSERT_EQ(engine.next(), (RolloutAction{Kind::update, board}));
    EXPECT_TRUE(engine.apply(Event::started, board));
  }
  EXPECT_FALSE(engine.next()) << "no more than two at a time";
  EXPECT_FALSE(engine.apply(Event::started, 2)) << "of a later batch";
  EXPECT_TRUE(engine.apply(Event::passed, 1));
  EXPECT_FALSE(engine.next()) << "a batch is judged when all of it is settled";
  EXPECT_TRUE(engine.apply(Event::passed, 0));
  for (std::size_t board : {0U, 1U}) {
    ASSERT_EQ(engine.next(), (RolloutAction{Kind::confirm, board}));
    EXPECT_TRUE(engine.apply(Event::confirming, board));
    EXPECT_TRUE(engine.apply(Event::confirmed, board));
  }
  EXPECT_EQ(engine.next(), (RolloutAction{Kind::update, 2}));
}

TEST(RolloutEngine, TheFailureThatExceedsTheBudgetIsTheLastStart) {
  RolloutEngine engine(plan_of(0, 10, 3, 1), 10);
  for (std::size_t board : {0U, 1U, 2U}) EXPECT_TRUE(engine.apply(Event::started, board));
  EXPECT_TRUE(engine.apply(Event::failed, 0));
  EXPECT_FALSE(engine.halted());
  EXPECT_EQ(engine.next(), (RolloutAction{Kind::update, 3}));
  EXPECT_TRUE(engine.apply(Event::failed, 1));
  EXPECT_TRUE(engine.halted());
  EXPECT_FALSE(engine.next()) << "one is still under way";
  EXPECT_TRUE(engine.apply(Event::passed, 2));
  EXPECT_EQ(engine.next(), (RolloutAction{Kind::revert, 2}));
  EXPECT_TRUE(engine.apply(Event::reverting, 2));
  EXPECT_TRUE(engine.apply(Event::reverted, 2));
  EXPECT_TRUE(engine.finished());
  EXPECT_EQ(engine.phase(3), BoardPhase::pending);
}

TEST(RolloutEngine, ACanaryHasABudgetOfItsOwn) {
  RolloutEngine engine(plan_of(2, 4, 1, 3), 10);
  EXPECT_TRUE(engine.apply(Event::started, 0));
  EXPECT_TRUE(engine.apply(Event::failed, 0));
  EXPECT_TRUE(engine.halted());
  EXPECT_TRUE(engine.finished());
}

TEST(RolloutEngine, WhatAKillInterruptedIsDoneAgainOrTakenBack) {
  RolloutEngine engine(plan_of(0, 4, 4, 0), 4);
  EXPECT_TRUE(engine.apply(Event::started, 0));
  EXPECT_TRUE(engine.apply(Event::started, 1));
  EXPECT_TRUE(engine.apply(Event::passed, 1));
  engine.forget_running();
  EXPECT_EQ(engine.next(), (RolloutAction{Kind::update, 0}));
  EXPECT_TRUE(engine.apply(Event::halted, 0));
  // It may have the new on trial: halted or not, it may not stay so.
  EXPECT_EQ(engine.next(), (RolloutAction{Kind::revert, 0}));
  EXPECT_TRUE(engine.apply(Event::reverting, 0));
  EXPECT_EQ(engine.next(), (RolloutAction{Kind::revert, 1}));
}

TEST(RolloutEngine, WithoutBoardsItIsFinished) {
  const RolloutEngine engine(plan_of(1, 1, 1, 0), 0);
  EXPECT_TRUE(engine.finished());
}

/// Boards as they are, whatever engine and journal believe.
struct Bench {
  enum class Runs { old, trial, fresh };
  std::vector<Runs> boards;
  std::vector<int> ends;  // Updates that were carried to an end.
};

/// One run of a rollout with every choice made by the generator.
class Simulation {
 public:
  Simulation() {
    total_ = *rc::gen::inRange<std::size_t>(0, 40);
    plan_.canary = amount(total_ / 2 + 1, 0);
    plan_.canary_errors = amount(3, 0);
    plan_.batch = amount(total_ + 1, 1);
    if (plan_.batch.share_ppm == 0U) plan_.batch.share_ppm = 1;
    plan_.errors = amount(6, 0);
    plan_.parallel = *rc::gen::inRange<std::uint32_t>(1, 9);
    plan_.revert = *rc::gen::arbitrary<bool>();
    bad_percent_ = *rc::gen::element(0, 1, 5, 30, 100);
    bench_.boards.assign(total_, Bench::Runs::old);
    bench_.ends.assign(total_, 0);
    engine_.emplace(plan_, total_);
  }

  void run() {
    for (;;) {
      const int chance = *rc::gen::inRange(0, 100);
      if (chance < 2) kill();
      if (chance == 3 && !engine_->aborted()) note(Event::halted, 0);
      const auto action = engine_->next();
      const bool may_finish = !flying_.empty();
      if (!action && !may_finish) break;
      if (action && (!may_finish || *rc::gen::arbitrary<bool>())) {
        begin(*action);
      } else {
        finish(*rc::gen::inRange<std::size_t>(0, flying_.size()));
      }
    }
    check_end();
  }

 private:
  static Amount amount(std::size_t most, std::uint32_t least) {
    Amount value;
    if (*rc::gen::arbitrary<bool>()) {
      value.share_ppm = *rc::gen::inRange<std::uint32_t>(0, 1'000'001);
    } else {
      value.count = *rc::gen::inRange<std::uint32_t>(least, static_cast<std::uint32_t>(most) + 1);
    }
    return value;
  }

  bool unlucky() { return *rc::gen::inRange(0, 100) < bad_percent_; }

  /// The rule, told once more in other words: by what the journal says.
  bool must_halt() const {
    std::size_t failures = 0;
    std::size_t canary_failures = 0;
    const std::size_t canary = plan_.canary.boards(total_);
    bool in_canary = true;
    for (const auto& record : records_) {
      if (record.event == "halted") return true;
      if (record.event == "started" && *record.board >= canary) in_canary = false;
      if (record.event != "failed") continue;
      ++failures;
      if (*record.board < canary) ++canary_failures;
      if (plan_.errors.exceeded(failures, total_)) return true;
      if (in_canary && canary > 0 && plan_.canary_errors.exceeded(canary_failures, canary)) return true;
    }
    return false;
  }

  void note(Event kind, std::size_t board) {
    RC_ASSERT(engine_->apply(kind, board));
    JournalRecord record;
    record.event = std::string(name(kind));
    if (kind != Event::halted) record.board = board;
    records_.push_back(record);
    RC_ASSERT(engine_->halted() == must_halt());
  }

  void begin(const RolloutAction& action) {
    const std::size_t board = action.board;
    switch (action.kind) {
      case Kind::update:
        RC_ASSERT(!must_halt());
        RC_ASSERT(bench_.ends[board] == 0);
        for (std::size_t other = 0; other < total_; ++other) {
          const BoardPhase phase = engine_->phase(other);
          const bool settled = phase == BoardPhase::confirmed || phase == BoardPhase::failed;
          RC_ASSERT(settled || engine_->batch_of(other) >= engine_->batch_of(board));
        }
        note(Event::started, board);
        break;
      case Kind::confirm:
        RC_ASSERT(bench_.boards[board] != Bench::Runs::old);
        note(Event::confirming, board);
        break;
      case Kind::revert:
        RC_ASSERT(must_halt());
        note(Event::reverting, board);
        break;
    }
    flying_.push_back(action);
    RC_ASSERT(engine_->running() == flying_.size());
    RC_ASSERT(flying_.size() <= plan_.parallel);
  }

  void finish(std::size_t at) {
    const RolloutAction action = flying_[at];
    flying_.erase(flying_.begin() + static_cast<std::ptrdiff_t>(at));
    auto& runs = bench_.boards[action.board];
    const bool bad = unlucky();
    switch (action.kind) {
      case Kind::update:
        ++bench_.ends[action.board];
        runs = bad ? Bench::Runs::old : Bench::Runs::trial;
        note(bad ? Event::failed : Event::passed, action.board);
        break;
      case Kind::confirm:
        if (!bad) runs = Bench::Runs::fresh;
        note(bad ? Event::failed : Event::confirmed, action.board);
        break;
      case Kind::revert:
        if (!bad && runs == Bench::Runs::trial) runs = Bench::Runs::old;
        note(bad ? Event::revert_failed : Event::reverted, action.board);
        break;
    }
  }

  /// SIGKILL: what was under way came some way, the next run knows only the journal.
  void kill() {
    for (const RolloutAction& action : flying_) {
      auto& runs = bench_.boards[action.board];
      const bool reached = *rc::gen::arbitrary<bool>();
      if (!reached) continue;
      if (action.kind == Kind::update) runs = Bench::Runs::trial;
      if (action.kind == Kind::confirm) runs = Bench::Runs::fresh;
      if (action.kind == Kind::revert && runs == Bench::Runs::trial) runs = Bench::Runs::old;
    }
    flying_.clear();
    JournalRecord record;
    record.event = "resumed";
    records_.push_back(record);
    JournalContent content;
    content.records = records_;
    engine_.emplace(plan_, total_);
    RC_ASSERT(replay(content, *engine_, "journal").has_value());
    RC_ASSERT(engine_->running() == 0U);
  }

  void check_end() {
    RC_ASSERT(engine_->finished());
    for (std::size_t board = 0; board < total_; ++board) {
      switch (engine_->phase(board)) {
        case BoardPhase::confirmed:
          RC_ASSERT(bench_.boards[board] == Bench::Runs::fresh);
          break;
        case BoardPhase::reverted:
          RC_ASSERT(bench_.boards[board] == Bench::Runs::old);
          RC_ASSERT(engine_->halted());
          break;
        case BoardPhase::pending:
          RC_ASSERT(bench_.boards[board] == Bench::Runs::old);
          RC_ASSERT(engine_->halted());
          break;
        case BoardPhase::failed:
          break;
        default:
          RC_FAIL("a board without an end");
      }
      RC_ASSERT(bench_.ends[board] <= 1);
    }
  }

  std::size_t total_ = 0;
  int bad_percent_ = 0;
  RolloutPlan plan_;
  Bench bench_;
  std::optional<RolloutEngine> engine_;
  std::vector<RolloutAction> flying_;
  std::vector<JournalRecord> records_;
};

RC_GTEST_PROP(RolloutEngine, TheHaltRuleIsExactAndEveryBoardEndsOnOneVersion, ()) { Simulation().run(); }

}  // namespace
}  // namespace tml::flashlink
