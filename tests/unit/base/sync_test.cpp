// SPDX-License-Identifier: Apache-2.0
#include "common/base/sync.hpp"

#include <gtest/gtest.h>

#include "common/base/spawn.hpp"
#include "tests/support/run_on.hpp"

namespace tml {
namespace {

using test::run_on;

TEST(Sync, EventWakesAllWaiters) {
  boost::asio::io_context io;
  Event event(io.get_executor());
  int woken = 0;
  auto wait = [](Event& which, int& count) -> Awaitable<void> {
    co_await which.wait();
    ++count;
  };
  for (int i = 0; i < 3; ++i) spawn_logged(io.get_executor(), wait(event, woken), "waiter");
  io.poll();
  EXPECT_EQ(woken, 0);
  event.set();
  io.poll();
  EXPECT_EQ(woken, 3);
}

TEST(Sync, PauseRemembersAnEarlyWake) {
  boost::asio::io_context io;
  Pause pause(io.get_executor());
  pause.wake();
  EXPECT_TRUE(run_on(io, pause.wait_for(std::chrono::hours(1))));
  EXPECT_FALSE(run_on(io, pause.wait_for(Millis(0))));
}

TEST(Sync, MutexLetsOneInAtATime) {
  boost::asio::io_context io;
  Mutex mutex(io.get_executor());
  int inside = 0;
  int most = 0;
  int turns = 0;
  auto work = [](Mutex& lock, int& now, int& peak, int& done) -> Awaitable<void> {
    for (int i = 0; i < 10; ++i) {
      auto held = co_await lock.lock();
      peak = std::max(peak, ++now);
      co_await boost::asio::post(co_await boost::asio::this_coro::executor, boost::asio::use_awaitable);
      --now;
      ++done;
    }
  };
  for (int i = 0; i < 4; ++i) spawn_logged(io.get_executor(), work(mutex, inside, most, turns), "worker");
  io.run();
  EXPECT_EQ(most, 1);
  EXPECT_EQ(turns, 40);
  EXPECT_FALSE(mutex.held());
}

}  // namespace
}  // namespace tml
