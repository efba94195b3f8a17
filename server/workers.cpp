// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/workers.hpp"

namespace tml::server {

Result<std::unique_ptr<Workers>> Workers::start(const std::filesystem::path& database, std::size_t threads,
                                                std::size_t max_queue) {
  auto workers = std::unique_ptr<Workers>(new Workers(max_queue));
  for (std::size_t i = 0; i < threads; ++i) {
    auto reader = Database::open(database, Database::Mode::read_only);
    if (!reader) return pass(reader.error());
    workers->readers_.push_back(std::move(*reader));
  }
  for (auto& reader : workers->readers_) {
    workers->threads_.emplace_back([self = workers.get(), db = reader.get()]() { self->loop(*db); });
  }
  return workers;
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

bool Workers::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || queue_.size() >= max_queue_) return false;
    queue_.push_back(std::move(job));
    queued_.store(queue_.size(), std::memory_order_relaxed);
  }
  wake_.notify_one();
  return true;
}

void Workers::loop(Database& reader) {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this]() { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      queued_.store(queue_.size(), std::memory_order_relaxed);
    }
    job(reader);
  }
}

}  // namespace tml::server
