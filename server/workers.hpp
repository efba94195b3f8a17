// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Threads for everything that may block or compute: parsing, hashing, blob files, queries. Each has its own reading
// connection.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "server/sqlite.hpp"

namespace tml::server {

class Workers {
 public:
  using Job = std::function<void(Database& reader)>;
  /// Opens `threads` reading connections.
  [[nodiscard]] static Result<std::unique_ptr<Workers>> start(const std::filesystem::path& database,
                                                              std::size_t threads, std::size_t max_queue);
  /// Drops what has not begun.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// False when the queue is full. Thread-safe.
  [[nodiscard]] bool submit(Job job);
  [[nodiscard]] std::size_t queued() const { return queued_.load(std::memory_order_relaxed); }

 private:
  explicit Workers(std::size_t max_queue) : max_queue_(max_queue) {}
  void loop(Database& reader);

  std::size_t max_queue_;
  std::vector<std::unique_ptr<Database>> readers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  std::atomic<std::size_t> queued_{0};
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tml::server
