// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// First come, first served: who may use a line. Private to common/serial.
//
// Single-threaded (one executor). A waiter whose coroutine is cancelled leaves the queue; evict() sends all waiters
// away.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <deque>
#include <memory>

#include "common/serial/byte_stream.hpp"

namespace tml::serial {

class LineLock {
 public:
  explicit LineLock(std::size_t max_waiting);

  /// Holds the line until it is destroyed.
  class Guard {
   public:
    Guard() = default;
    Guard(Guard&& other) noexcept = default;
    Guard& operator=(Guard&&) = delete;
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard();

   private:
    friend class LineLock;
    explicit Guard(std::shared_ptr<struct LineLockState> state) : state_(std::move(state)) {}
    std::shared_ptr<struct LineLockState> state_;
  };

  /// Errc::busy when max_waiting callers wait already, Errc::interrupted when cancelled or evicted. `first` goes ahead
  /// of all others.
  [[nodiscard]] Awaitable<Result<Guard>> acquire(bool first = false);
  void evict();

 private:
  std::shared_ptr<struct LineLockState> state_;
};

}  // namespace tml::serial
