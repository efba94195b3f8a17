// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A Spool on its own worker thread, for coroutines: disk waits never block the loop. Calls run one after the other in
// the order they were made and resume the caller on its own executor. Destroying it finishes what was queued: a put
// under way is committed, never dropped in the middle. Destroy it before the io_context of its callers.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "common/base/worker.hpp"
#include "common/spool/spool.hpp"

namespace tml::spool {

class AsyncSpool {
 public:
  /// Opens on the calling thread (start-up), then hands the spool to the worker. `clock` and `random` are used on the
  /// worker's thread.
  [[nodiscard]] static Result<std::unique_ptr<AsyncSpool>> open(SpoolOptions options, Clock& clock, Random& random);
  ~AsyncSpool();
  AsyncSpool(const AsyncSpool&) = delete;
  AsyncSpool& operator=(const AsyncSpool&) = delete;

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  /// Runs `work(Spool&)` on the worker and gives back what it returns:
  ///   auto list_all = [](Spool& spool) { return spool.list(); };
  ///   auto entries = co_await async_spool.run(std::move(list_all));      // name the lambda first (g++)
  /// `work` must own what it uses and must not throw.
  template <class Work>
  [[nodiscard]] boost::asio::awaitable<std::invoke_result_t<Work, Spool&>> run(Work work) {
    auto job = [spool = spool_.get(), work = std::move(work)]() mutable { return work(*spool); };
    co_return co_await worker_.run(std::move(job));
  }

  [[nodiscard]] boost::asio::awaitable<Result<PutResult>> put(NewEntry entry);
  [[nodiscard]] boost::asio::awaitable<Result<PutResult>> put_capture(std::string board, std::string board_file,
                                                                      NewEntry entry, std::int64_t intent_id = 0);
  [[nodiscard]] boost::asio::awaitable<Result<std::vector<BoardFile>>> board_file_pending(std::string board);
  [[nodiscard]] boost::asio::awaitable<Result<void>> board_file_done(std::string board, std::string board_file);
  [[nodiscard]] boost::asio::awaitable<Result<std::int64_t>> intent_put(Intent intent);
  [[nodiscard]] boost::asio::awaitable<Result<std::optional<Intent>>> intent_for_file(std::string board,
                                                                                      std::string board_file);
  [[nodiscard]] boost::asio::awaitable<Result<void>> intent_done(std::int64_t id);
  [[nodiscard]] boost::asio::awaitable<Result<Totals>> totals();

 private:
  AsyncSpool(std::unique_ptr<Spool> spool, std::filesystem::path folder);
  std::filesystem::path folder_;
  std::unique_ptr<Spool> spool_;  // Touched on the worker only.
  Worker worker_;
};

}  // namespace tml::spool
