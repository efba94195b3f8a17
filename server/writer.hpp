// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The one thread that writes to the database, with group commit: whatever is waiting when a transaction can begin goes
// into it together, and nobody is told "stored" before its COMMIT (WAL, synchronous=FULL) has returned.
//
// Threads: submit() from any thread. Both functions of an operation run on the writer's thread: keep `done` short.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "server/sqlite.hpp"

namespace tml::server {

struct WriteOperation {
  /// May run more than once (a batch that fails is taken apart and repeated): set outputs, never accumulate. Checks its
  /// preconditions before it writes; an error undoes it.
  std::function<Result<void>(Database&)> run;
  /// Exactly once, after the commit (or with the error that prevented it).
  std::function<void(const Result<void>&)> done;
};

class Writer {
 public:
  struct Options {
    std::size_t max_batch = 512;
    std::size_t max_queue = 8192;
    /// Called on the writer's thread when somebody else's commit is seen (poll every 100 ms, and before each batch).
    std::function<void(Database&)> on_foreign_change;
    /// Size of each committed batch; may be empty.
    std::function<void(std::size_t)> on_batch;
  };
  Writer(std::unique_ptr<Database> db, Options options);
  /// Runs what is queued, then ends the thread.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// False when the queue is full (the client is told to come back: 429); then neither function is called.
  [[nodiscard]] bool submit(WriteOperation operation);
  [[nodiscard]] std::size_t queued() const { return queued_.load(std::memory_order_relaxed); }

 private:
  void loop();
  void run_batch(std::deque<WriteOperation>& batch);
  void run_alone(WriteOperation& operation);

  std::unique_ptr<Database> db_;
  Options options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<WriteOperation> queue_;
  std::atomic<std::size_t> queued_{0};
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tml::server
