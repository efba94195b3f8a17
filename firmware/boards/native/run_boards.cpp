// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "firmware/boards/native/running_board.hpp"

namespace tml::fw::native {
namespace {

using std::chrono::nanoseconds;

// The default of 50 us would be half a byte at 115200 and 15 bytes at 3 Mbaud.
constexpr unsigned long kTimerSlackNs = 1000;
constexpr std::size_t kSignal = 0;
constexpr std::size_t kWatch = 1;
constexpr std::size_t kFirstBoard = 2;

timespec to_timespec(nanoseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  return {static_cast<time_t>(seconds.count()), static_cast<long>((time - seconds).count())};
}

sigset_t stop_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&signals, signal);
  return signals;
}

}  // namespace

void block_stop_signals() {
  const sigset_t signals = stop_signals();
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
}

Result<void> run_boards(std::vector<std::unique_ptr<RunningBoard>>& boards, const Clock& clock, OpenWatch& watch) {
  const sigset_t signals = stop_signals();
  const UniqueFd stop(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!stop.valid()) return fail_errno(errno, "cannot wait for signals");
  ::prctl(PR_SET_TIMERSLACK, kTimerSlackNs);

  std::vector<nanoseconds> due(boards.size(), nanoseconds(0));
  std::vector<pollfd> wait(boards.size() + kFirstBoard);
  while (true) {
    wait[kSignal] = {stop.get(), POLLIN, 0};
    wait[kWatch] = {watch.fd(), POLLIN, 0};
    nanoseconds next = nanoseconds::max();
    for (std::size_t i = 0; i < boards.size(); ++i) {
      wait[kFirstBoard + i] = {boards[i]->fd(), boards[i]->poll_events(), 0};
      next = std::min(next, due[i]);
    }
    timespec timeout{};
    if (next != nanoseconds::max()) timeout = to_timespec(std::max(nanoseconds(0), next - clock.steady()));
    const int ready = ::ppoll(wait.data(), wait.size(), next == nanoseconds::max() ? nullptr : &timeout, nullptr);
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "cannot wait for the boards");
    if (wait[kSignal].revents != 0) return {};
    watch.update();
    const nanoseconds now = clock.steady();
    for (std::size_t i = 0; i < boards.size(); ++i) {
      const bool event = wait[kFirstBoard + i].revents != 0 || wait[kWatch].revents != 0;
      if (event || due[i] <= now) due[i] = boards[i]->step();
      if (boards[i]->failure() != nullptr) return pass(*boards[i]->failure());
    }
  }
}

}  // namespace tml::fw::native
