// SPDX-License-Identifier: Apache-2.0
#include "daemon/recover.hpp"

#include <algorithm>

namespace tml::daemon {
namespace {

/// Intents from before this look at the board, none of whose files is left.
Awaitable<Result<void>> drop_intents(spool::AsyncSpool& spool, std::string board) {
  auto work = [board = std::move(board)](spool::Spool& store) -> Result<void> {
    auto intents = store.intents(board);
    if (!intents) return pass(intents.error());
    for (const spool::Intent& intent : *intents) {
      if (auto done = store.intent_done(intent.id); !done) return done;
    }
    return {};
  };
  co_return co_await spool.run(std::move(work));
}

Awaitable<Result<void>> forget_absent(spool::AsyncSpool& spool, const std::string& board,
                                      const std::vector<std::string>& files) {
  auto pending = co_await spool.board_file_pending(board);
  if (!pending) co_return pass(pending.error());
  for (const spool::BoardFile& known : *pending) {
    if (std::ranges::find(files, known.file) != files.end()) continue;
    auto done = co_await spool.board_file_done(board, known.file);
    if (!done) co_return pass(done.error());
  }
  co_return Result<void>{};
}

Awaitable<Result<FileFacts>> facts_of(spool::AsyncSpool& spool, const std::string& board, std::string file) {
  FileFacts facts;
  facts.file = file;
  facts.target.file = file;
  auto intent = co_await spool.intent_for_file(board, file);
  if (!intent) co_return pass(intent.error());
  if (*intent) {
    facts.label = (*intent)->label;
    facts.category = (*intent)->category;
    facts.path = (*intent)->path;
    facts.intent_id = (*intent)->id;
  } else {
    facts.label = sample::label_from_file_name(sample::base_name(file));
    facts.path = "/api/training/data";
  }
  co_return facts;
}

}  // namespace

Awaitable<Result<RecoverReport>> recover_files(std::shared_ptr<Board> board, spool::AsyncSpool& spool,
                                               Mutex& board_lock, std::vector<std::string> verify_keys,
                                               RecoveredFn on_recovered, RecoverFailedFn on_failed) {
  RecoverReport report;
  std::vector<std::string> files;
  {
    auto lock = co_await board_lock.lock();
    if (board->stores_files()) {
      auto listed = co_await board->session->list_files();
      if (!listed) co_return pass(listed.error());
      files = *std::move(listed);
    }
    auto forgotten = co_await forget_absent(spool, board->key(), files);
    if (!forgotten) co_return pass(forgotten.error());
    if (files.empty()) {
      auto dropped = co_await drop_intents(spool, board->key());
      if (!dropped) co_return pass(dropped.error());
      co_return report;
    }
  }
  for (std::string& file : files) {
    auto lock = co_await board_lock.lock();
    auto facts = co_await facts_of(spool, board->key(), file);
    if (!facts) co_return pass(facts.error());
    CaptureObserver silent;
    auto taken = co_await take_file(board, spool, *std::move(facts), verify_keys, std::move(silent));
    if (taken) {
      ++(taken->existing ? report.known : report.recovered);
      if (!taken->existing && on_recovered) on_recovered(*taken);
      continue;
    }
    const Errc code = taken.error().code;
    if (code == Errc::unplugged || code == Errc::interrupted) co_return pass(taken.error());
    ++report.failed;
    if (on_failed) on_failed(file, taken.error());
  }
  co_return report;
}

}  // namespace tml::daemon
