// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Waiting for one another on a single-threaded loop: an event, a lock, and a count of children. All calls on the
// executor given; nothing here is thread-safe. Objects outlive every wait on them.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "common/base/clock.hpp"

namespace tml {

template <class T>
using Awaitable = boost::asio::awaitable<T>;

/// Set once, seen by everyone who waits now or later, until clear().
class Event {
 public:
  explicit Event(const boost::asio::any_io_executor& executor)
      : timer_(executor, std::chrono::steady_clock::time_point::max()) {}

  void set() {
    set_ = true;
    timer_.cancel();
  }
  void clear() { set_ = false; }
  [[nodiscard]] bool is_set() const { return set_; }

  [[nodiscard]] Awaitable<void> wait() {
    // Never armed anew: that would wake the other waiters.
    while (!set_) co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }

 private:
  boost::asio::steady_timer timer_;
  bool set_ = false;
};

/// A pause that can be cut short by wake(), also by one that came before the wait began. One waiter at a time.
class Pause {
 public:
  explicit Pause(const boost::asio::any_io_executor& executor) : timer_(executor) {}

  /// True when woken, false when the time is up.
  [[nodiscard]] Awaitable<bool> wait_for(Millis time) {
    if (!woken_) {
      timer_.expires_after(time);
      co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
    co_return std::exchange(woken_, false);
  }
  void wake() {
    woken_ = true;
    timer_.cancel();
  }

 private:
  boost::asio::steady_timer timer_;
  bool woken_ = false;
};

/// Coroutine lock; first come, first served is not promised.
class Mutex {
 public:
  explicit Mutex(const boost::asio::any_io_executor& executor) : free_(executor) { free_.set(); }

  class Lock {
   public:
    explicit Lock(Mutex& mutex) : mutex_(&mutex) {}
    Lock(Lock&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
    Lock& operator=(Lock&&) = delete;
    ~Lock() {
      if (mutex_ == nullptr) return;
      mutex_->held_ = false;
      mutex_->free_.set();
    }

   private:
    Mutex* mutex_;
  };

  [[nodiscard]] bool held() const { return held_; }
  [[nodiscard]] Awaitable<Lock> lock() {
    while (held_) {
      free_.clear();
      co_await free_.wait();
    }
    held_ = true;
    co_return Lock(*this);
  }

 private:
  Event free_;
  bool held_ = false;
};

}  // namespace tml
