// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The runner with boards that are models: what the journal says is what happened to them, through interruptions.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <map>

#include "common/base/random.hpp"
#include "common/base/spawn.hpp"
#include "common/flashlink/rollout_runner.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::flashlink {
namespace {

/// Boards that take a few turns of the loop for each step; `bad` ones fail, `slow` ones never end by themselves.
class ModelBoards final : public BoardUpdater {
 public:
  enum class Runs { old, trial, fresh };
  struct Facts {
    Runs runs = Runs::old;
    bool bad = false;
    bool bad_test = false;
    bool slow = false;
    int updates = 0;
  };

  explicit ModelBoards(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  Awaitable<Result<InspectedBoard>> inspect(std::string port) override {
    InspectedBoard board;
    board.port = port;
    co_return board;
  }
  Awaitable<Result<void>> update(std::string port, std::string, BoardProgressFn progress) override {
    most = std::max(most, ++running);
    auto done = co_await step(port, progress);
    --running;
    Facts& board = boards[port];
    if (!done) co_return done;
    ++board.updates;
    if (board.bad) co_return fail(Errc::refused, "wrong product", port);
    board.runs = Runs::trial;
    co_return Result<void>{};
  }
  Awaitable<Result<std::string>> self_test(std::string port, std::string, BoardProgressFn progress) override {
    auto done = co_await step(port, progress);
    if (!done) co_return pass(done.error());
    if (boards[port].bad_test) co_return fail(Errc::verification, "self-test: other scores", port);
    co_return std::string("2 windows");
  }
  Awaitable<Result<void>> confirm(std::string port, std::string) override {
    auto done = co_await step(port, {});
    if (done) boards[port].runs = Runs::fresh;
    co_return done;
  }
  Awaitable<Result<void>> revert(std::string port, std::string) override {
    auto done = co_await step(port, {});
    if (done && boards[port].runs == Runs::trial) boards[port].runs = Runs::old;
    co_return done;
  }
  void cancel(const std::string& port) override {
    cancelled_[port] = true;
    if (const auto found = pauses_.find(port); found != pauses_.end()) found->second->wake();
  }

  std::map<std::string, Facts> boards;
  int running = 0;
  int most = 0;

 private:
  Awaitable<Result<void>> step(std::string port, BoardProgressFn progress) {
    cancelled_[port] = false;
    auto pause = std::make_shared<Pause>(executor_);
    pauses_[port] = pause;
    const Millis time = boards[port].slow ? Millis{3'600'000} : Millis{random_.next_u64() % 3};
    if (progress) progress(BoardProgress{"transferring", 1, 2});
    (void)co_await pause->wait_for(time);
    pauses_.erase(port);
    if (cancelled_[port]) co_return fail(Errc::interrupted, "cancelled", port);
    co_return Result<void>{};
  }

  boost::asio::any_io_executor executor_;
  SeededRandom random_{1};
  std::map<std::string, std::shared_ptr<Pause>> pauses_;
  std::map<std::string, bool> cancelled_;
};

class Quiet final : public RolloutObserver {
 public:
  void record(const JournalRecord& record) override {
    if (on_record) on_record(record);
  }
  void progress(std::size_t, const BoardProgress&) override {}
  std::function<void(const JournalRecord&)> on_record;
};

struct Rollout {
  explicit Rollout(std::size_t count) : updater(io.get_executor()) {
    head.name = "n";
    plan.name = "n";
    plan.canary.count = 2;
    plan.batch.count = 16;
    plan.parallel = 8;
    for (std::size_t i = 0; i < count; ++i) {
      head.boards.push_back({"id" + std::to_string(i), "port" + std::to_string(i), "p", 0});
    }
    path = RolloutJournal::path_of(dir.path(), "n");
    journal.emplace(*RolloutJournal::create(path, head));
    engine.emplace(plan, count);
  }

  ModelBoards::Facts& board(std::size_t index) { return updater.boards["port" + std::to_string(index)]; }

  Result<void> run(const std::function<void(RolloutRunner&, const JournalRecord&)>& on_record = {}) {
    RolloutRunner runner(io.get_executor(), plan, head.boards, *engine, *journal, updater, observer, system_clock());
    observer.on_record = [&](const JournalRecord& record) {
      if (on_record) on_record(runner, record);
    };
    std::optional<Result<void>> result;
    // While a job is on its way to the worker's thread the loop has nothing else to do.
    auto work = boost::asio::make_work_guard(io);
    boost::asio::co_spawn(io, runner.run(), [&](const std::exception_ptr& exception, Result<void> value) {
      work.reset();
      if (exception) ADD_FAILURE() << exception_text(exception);
      result.emplace(std::move(value));
    });
    // Until nothing is left, so that what the runner leaves behind would be seen.
    io.run();
    io.restart();
    observer.on_record = {};
    return result ? *result : Result<void>(fail(Errc::failed, "an exception"));
  }

  /// A new process: only the journal is known.
  void restart() {
    journal.reset();
    JournalContent content;
    journal.emplace(*RolloutJournal::open(path, content));
    engine.emplace(plan, head.boards.size());
    ASSERT_TRUE(replay(content, *engine, "j"));
    engine->forget_running();
    JournalRecord resumed;
    resumed.event = "resumed";
    ASSERT_TRUE(journal->append(resumed));
  }

  std::size_t count(ModelBoards::Runs runs) {
    std::size_t all = 0;
    for (std::size_t i = 0; i < head.boards.size(); ++i) all += board(i).runs == runs ? 1U : 0U;
    return all;
  }

  test::TempDir dir;
  boost::asio::io_context io;
  ModelBoards updater;
  Quiet observer;
  RolloutPlan plan;
  JournalHead head;
  std::filesystem::path path;
  std::optional<RolloutJournal> journal;
  std::optional<RolloutEngine> engine;
};

TEST(RolloutRunner, AllBoardsGetTheNew) {
  Rollout rollout(40);
  const auto done = rollout.run();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(rollout.count(ModelBoards::Runs::fresh), 40U);
  EXPECT_LE(rollout.updater.most, 8);
  EXPECT_GT(rollout.updater.most, 1);
  const auto content = RolloutJournal::read(rollout.path);
  ASSERT_TRUE(content) << content.error().message();
  EXPECT_EQ(content->records.back().event, "finished");
  EXPECT_EQ(content->records.size(), 40U * 4 + 1);
}

TEST(RolloutRunner, ABatchBeyondTheBudgetGoesBack) {
  Rollout rollout(40);
  rollout.plan.errors.count = 1;
  rollout.board(20).bad = true;
  rollout.board(25).bad_test = true;
  rollout.engine.emplace(rollout.plan, 40);
  ASSERT_TRUE(rollout.run());
  EXPECT_TRUE(rollout.engine->halted());
  // Canary (2) and first batch (16) stay.
  EXPECT_EQ(rollout.count(ModelBoards::Runs::fresh), 18U);
  EXPECT_EQ(rollout.count(ModelBoards::Runs::trial), 0U);
}

TEST(RolloutRunner, InterruptedAtEveryRecordItGoesOn) {
  Rollout rollout(12);
  rollout.plan.canary.count = 1;
  rollout.plan.batch.count = 4;
  rollout.plan.parallel = 3;
  rollout.engine.emplace(rollout.plan, 12);
  int runs = 0;
  for (;;) {
    int records = 0;
    const auto done = rollout.run([&](RolloutRunner& runner, const JournalRecord&) {
      if (++records == 5) runner.stop();
    });
    ++runs;
    if (done) break;
    ASSERT_EQ(done.error().code, Errc::interrupted) << done.error().message();
    ASSERT_LT(runs, 100);
    rollout.restart();
  }
  EXPECT_GT(runs, 5);
  EXPECT_EQ(rollout.count(ModelBoards::Runs::fresh), 12U);
}

TEST(RolloutRunner, AbortTakesTheBatchBack) {
  Rollout rollout(20);
  ASSERT_TRUE(rollout.run([&](RolloutRunner& runner, const JournalRecord& record) {
    if (record.event == "passed" && *record.board >= 4) runner.halt();
  }));
  EXPECT_TRUE(rollout.engine->aborted());
  EXPECT_EQ(rollout.count(ModelBoards::Runs::fresh), 2U);
  EXPECT_EQ(rollout.count(ModelBoards::Runs::trial), 0U);
}

TEST(RolloutRunner, ABoardThatIsTooSlowIsAFailure) {
  Rollout rollout(4);
  rollout.plan.errors.count = 1;
  rollout.plan.canary.count = 0;
  rollout.plan.board_timeout = Millis{50};
  rollout.board(2).slow = true;
  rollout.engine.emplace(rollout.plan, 4);
  std::string code;
  ASSERT_TRUE(rollout.run([&](RolloutRunner&, const JournalRecord& record) {
    if (record.event == "failed") code = record.code;
  }));
  EXPECT_EQ(code, "timeout");
  EXPECT_EQ(rollout.count(ModelBoards::Runs::fresh), 3U);
}

}  // namespace
}  // namespace tml::flashlink
