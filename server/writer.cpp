// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/writer.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

namespace tml::server {
namespace {

constexpr std::chrono::milliseconds kPoll{100};

void roll_back(Database& db) {
  // SQLite has rolled back by itself after a full disk or an I/O error; a second ROLLBACK would only fail.
  if (db.in_transaction()) (void)db.exec("ROLLBACK");
}

}  // namespace

Writer::Writer(std::unique_ptr<Database> db, Options options) : db_(std::move(db)), options_(std::move(options)) {
  thread_ = std::thread([this]() { loop(); });
}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool Writer::submit(WriteOperation operation) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= options_.max_queue) return false;
    queue_.push_back(std::move(operation));
    queued_.store(queue_.size(), std::memory_order_relaxed);
  }
  wake_.notify_one();
  return true;
}

void Writer::loop() {
  std::int64_t version = db_->data_version();
  for (;;) {
    std::deque<WriteOperation> batch;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kPoll, [this]() { return stopping_ || !queue_.empty(); });
      if (queue_.empty() && stopping_) return;
      while (!queue_.empty() && batch.size() < options_.max_batch) {
        batch.push_back(std::move(queue_.front()));
        queue_.pop_front();
      }
      queued_.store(queue_.size(), std::memory_order_relaxed);
    }
    if (const std::int64_t now = db_->data_version(); now != version) {
      version = now;
      if (options_.on_foreign_change) options_.on_foreign_change(*db_);
    }
    if (!batch.empty()) run_batch(batch);
  }
}

void Writer::run_batch(std::deque<WriteOperation>& batch) {
  Result<void> outcome = db_->exec("BEGIN IMMEDIATE");
  for (auto& operation : batch) {
    if (!outcome) break;
    outcome = operation.run(*db_);
  }
  if (outcome) outcome = db_->exec("COMMIT");
  if (outcome) {
    if (options_.on_batch) options_.on_batch(batch.size());
    for (auto& operation : batch) operation.done(outcome);
    return;
  }
  roll_back(*db_);
  for (auto& operation : batch) run_alone(operation);
}

void Writer::run_alone(WriteOperation& operation) {
  Result<void> outcome = db_->exec("BEGIN IMMEDIATE");
  if (outcome) outcome = operation.run(*db_);
  if (outcome) outcome = db_->exec("COMMIT");
  if (!outcome) roll_back(*db_);
  operation.done(outcome);
}

}  // namespace tml::server
