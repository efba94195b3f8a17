// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One thread for work that blocks (SQLite, hashing, files), awaited from the loop. Header-only: include where Asio is
// used anyway.
//
// Jobs run in the order in which they were posted. The destructor lets the running job end and drops the rest; join()
// runs all.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <type_traits>
#include <utility>

namespace tml {

class Worker {
 public:
  Worker() : pool_(1) {}
  ~Worker() {
    pool_.stop();
    pool_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Runs `job` on the worker's thread and resumes the caller on its own executor with the job's result. `job` must not
  /// throw and must outlive nothing of the caller's frame that a cancelled caller would destroy: capture by value.
  template <class Job>
  [[nodiscard]] boost::asio::awaitable<std::invoke_result_t<Job>> run(Job job) {
    return boost::asio::co_spawn(pool_, invoke(std::move(job)), boost::asio::use_awaitable);
  }

  /// Runs `job` on the worker's thread; nobody waits for it.
  template <class Job>
  void post(Job job) {
    boost::asio::post(pool_, std::move(job));
  }

  void join() { pool_.join(); }

 private:
  template <class Job>
  static boost::asio::awaitable<std::invoke_result_t<Job>> invoke(Job job) {
    co_return job();
  }

  boost::asio::thread_pool pool_;
};

}  // namespace tml
