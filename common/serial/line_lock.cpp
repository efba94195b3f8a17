// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/line_lock.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tml::serial {
namespace asio = boost::asio;

/// In the waiting coroutine's frame. The timer never expires; cancelling it is the wake-up call.
struct LineWaiter {
  explicit LineWaiter(const asio::any_io_executor& executor) : timer(executor, asio::steady_timer::time_point::max()) {}
  asio::steady_timer timer;
  bool granted = false;
};

struct LineLockState {
  std::size_t max_waiting = 0;
  bool held = false;
  std::deque<LineWaiter*> waiting;

  void pass_on() {
    if (waiting.empty()) {
      held = false;
      return;
    }
    LineWaiter* const next = waiting.front();
    waiting.pop_front();
    next->granted = true;
    next->timer.cancel();
  }
};

namespace {

/// Takes the waiter out of the queue however its coroutine ends, also when it is destroyed while it waits.
class QueuePlace {
 public:
  QueuePlace(std::shared_ptr<LineLockState> state, LineWaiter& waiter, bool first)
      : state_(std::move(state)), waiter_(waiter) {
    if (first) {
      state_->waiting.push_front(&waiter_);
    } else {
      state_->waiting.push_back(&waiter_);
    }
  }
  QueuePlace(const QueuePlace&) = delete;
  QueuePlace& operator=(const QueuePlace&) = delete;
  ~QueuePlace() {
    std::erase(state_->waiting, &waiter_);
    if (waiter_.granted && !taken_) state_->pass_on();
  }
  void take() { taken_ = true; }

 private:
  std::shared_ptr<LineLockState> state_;
  LineWaiter& waiter_;
  bool taken_ = false;
};

}  // namespace

LineLock::LineLock(std::size_t max_waiting) : state_(std::make_shared<LineLockState>()) {
  state_->max_waiting = max_waiting;
}

LineLock::Guard::~Guard() {
  if (state_) state_->pass_on();
}

Awaitable<Result<LineLock::Guard>> LineLock::acquire(bool first) {
  const auto state = state_;
  if (!state->held) {
    state->held = true;
    co_return Guard(state);
  }
  if (!first && state->waiting.size() >= state->max_waiting) {
    co_return fail(Errc::busy, "too many requests wait for the board already", {},
                   "Wait until the current one is done");
  }
  const auto executor = co_await asio::this_coro::executor;
  LineWaiter waiter(executor);
  QueuePlace place(state, waiter, first);
  constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
  const auto [ignored] = co_await waiter.timer.async_wait(kTuple);
  static_cast<void>(ignored);
  // Granted and cancelled at once: the grant stands, the caller's next wait notices the cancellation.
  if (!waiter.granted) co_return fail(Errc::interrupted, "interrupted while waiting for the line");
  place.take();
  co_return Guard(state);
}

void LineLock::evict() {
  const auto waiting = std::exchange(state_->waiting, {});
  for (LineWaiter* waiter : waiting) waiter->timer.cancel();
}

}  // namespace tml::serial
