// SPDX-License-Identifier: Apache-2.0
#include "forwarder/reader.hpp"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/file.hpp"
#include "forwarder/inheriting_mutex.hpp"

namespace tml::forwarder {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} * 1024;

std::string raise_priority() {
  sched_param parameter{};
  parameter.sched_priority = 1;
  if (::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &parameter) == 0) return "SCHED_FIFO 1";
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  if (::setpriority(PRIO_PROCESS, thread, -10) == 0) return "nice -10";
  return "normal";
}

}  // namespace

/// One input, shared by the thread and the loop.
struct Reader::Line {
  int fd = -1;
  TapOptions options;
  std::function<void(const Batch&)> on_batch;  // Loop.
  std::function<void(int)> on_end;             // Loop.
  bool closed = false;                         // Loop.
  bool paused = false;                         // Loop.
  Batch taken;                                 // Loop.

  InheritingMutex mutex;
  Batch filling;           // Both, under the mutex.
  std::optional<int> end;  // Both, under the mutex.
  bool full = false;       // Both, under the mutex: the thread does not poll it until it was fetched.
  bool finished = false;   // Thread.
};

struct Reader::State : std::enable_shared_from_this<Reader::State> {
  State(const boost::asio::any_io_executor& the_executor, Clock& the_clock)
      : executor(the_executor), clock(the_clock), timer(the_executor), news(the_executor) {}

  void run();
  void read(Line& line, std::size_t& most);
  void wake() const {
    const std::uint64_t one = 1;
    // A full counter wakes as well.
    [[maybe_unused]] const auto written = ::write(bell.get(), &one, sizeof one);
  }
  [[nodiscard]] Result<void> make_bells();
  void ring();
  void listen();
  void fetch_soon();
  void fetch();
  /// True when the thread had stopped reading it for want of room.
  bool fetch_from(Line& line);

  boost::asio::any_io_executor executor;
  Clock& clock;
  UniqueFd bell;
  std::thread thread;

  // Loop.
  boost::asio::steady_timer timer;
  boost::asio::posix::stream_descriptor news;  // An eventfd that the thread writes to.
  std::chrono::steady_clock::time_point last_fetch;
  bool gone = false;

  std::atomic<bool> rung{false};

  InheritingMutex mutex;  // Of the list; the thread holds it but for poll() and its rest.
  std::condition_variable_any changed;
  std::vector<std::shared_ptr<Line>> lines;
  std::uint64_t version = 0;  // Of the list.
  std::uint64_t seen = 0;     // The version that the thread works with.
  bool stopping = false;
  std::string priority;
};

Result<void> Reader::State::make_bells() {
  bell = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  UniqueFd back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!bell.valid() || !back.valid()) return fail_errno(errno, "cannot wake the reading thread");
  boost::system::error_code error;
  news.assign(back.get(), error);
  if (error) return fail_errno(error.value(), "cannot watch the reading thread");
  static_cast<void>(back.release());
  listen();
  return {};
}

/// By a descriptor and not by asio::post(), which would take the loop's locks and the heap's: an ordinary thread that
/// holds them may be off the processor for longer than a line's buffer lasts.
void Reader::State::ring() {
  if (rung.exchange(true)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(news.native_handle(), &one, sizeof one);
}

void Reader::State::listen() {
  news.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                  [self = shared_from_this()](const boost::system::error_code& error) {
                    if (error || self->gone) return;
                    std::uint64_t count = 0;
                    [[maybe_unused]] const auto taken = ::read(self->news.native_handle(), &count, sizeof count);
                    self->fetch_soon();
                    self->listen();
                  });
}

void Reader::State::fetch_soon() {
  const auto since = std::chrono::steady_clock::now() - last_fetch;
  if (since >= kFetchEvery) return fetch();
  timer.expires_after(kFetchEvery - since);
  timer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->fetch();
  });
}

void Reader::State::fetch() {
  if (gone) return;
  last_fetch = std::chrono::steady_clock::now();
  rung = false;
  std::vector<std::shared_ptr<Line>> all;
  {
    const std::lock_guard lock(mutex);
    all = lines;
  }
  bool was_full = false;
  for (const auto& line : all) {
    if (line->closed || line->paused) continue;
    if (fetch_from(*line)) was_full = true;
  }
  if (was_full) wake();
}

bool Reader::State::fetch_from(Line& line) {
  std::optional<int> end;
  bool was_full = false;
  {
    const std::lock_guard lock(line.mutex);
    std::swap(line.taken, line.filling);
    // Under the lock that clears it: the thread must be told of each one that it saw set.
    was_full = std::exchange(line.full, false);
    end = std::exchange(line.end, std::nullopt);
  }
  if (!line.taken.empty()) line.on_batch(line.taken);
  line.taken.clear();
  if (end && !line.closed) line.on_end(*end);
  return was_full;
}

void Reader::State::read(Line& line, std::size_t& most) {
  thread_local std::vector<std::byte> buffer(kReadBytes);
  const ssize_t got = ::read(line.fd, buffer.data(), buffer.size());
  const int error = got < 0 ? errno : 0;
  const stream::Time arrival = clock.steady();
  if (got < 0 && (error == EAGAIN || error == EINTR)) return;
  const std::lock_guard lock(line.mutex);
  if (got <= 0) {
    line.end = error;
    line.finished = true;
  } else {
    const auto bytes = std::span(buffer).first(static_cast<std::size_t>(got));
    most = std::max(most, bytes.size());
    const bool room = line.filling.bytes.size() + bytes.size() <= line.options.max_bytes || line.filling.bytes.empty();
    if (room && line.filling.lost_bytes == 0) {
      line.filling.append(bytes, arrival);
    } else {
      // Reached only where the loop stood still for seconds. All that follows goes too, so that the hole is at the end.
      line.filling.lost_bytes += bytes.size();
    }
    if (!line.options.lossy) line.full = line.filling.bytes.size() + kReadBytes > line.options.max_bytes;
  }
  ring();
}

void Reader::State::run() {
  std::string raised = raise_priority();
  std::vector<std::shared_ptr<Line>> mine;
  std::vector<pollfd> fds;
  std::unique_lock lock(mutex);
  priority = std::move(raised);
  while (!stopping) {
    if (seen != version) {
      mine = lines;
      seen = version;
      changed.notify_all();
    }
    fds.clear();
    fds.push_back({bell.get(), POLLIN, 0});
    std::size_t live = 0;
    for (const auto& line : mine) {
      const std::lock_guard held(line->mutex);
      const bool wanted = !line->finished && !line->full;
      live += wanted ? 1 : 0;
      fds.push_back({wanted ? line->fd : -1, POLLIN, 0});
    }
    lock.unlock();
    const int ready = ::poll(fds.data(), fds.size(), -1);
    lock.lock();
    if (ready <= 0) continue;
    if ((fds[0].revents & POLLIN) != 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const auto taken = ::read(bell.get(), &count, sizeof count);
    }
    if (seen != version) continue;  // One of them may be closed by now.
    std::size_t most = 0;
    bool slow = true;
    for (std::size_t i = 0; i < mine.size(); ++i) {
      if (fds[i + 1].revents == 0) continue;
      std::size_t got = 0;
      read(*mine[i], got);
      slow = slow && got < mine[i]->options.busy_bytes;
      most = std::max(most, got);
    }
    if (most != 0 && slow && live > kManyTaps) {
      lock.unlock();
      std::this_thread::sleep_for(kRest);
      lock.lock();
    }
  }
}

class Reader::LineTap final : public Tap {
 public:
  LineTap(std::shared_ptr<State> state, std::shared_ptr<Line> line)
      : state_(std::move(state)), line_(std::move(line)) {}
  ~LineTap() override { close(); }
  LineTap(const LineTap&) = delete;
  LineTap& operator=(const LineTap&) = delete;

  void pause(bool on) override {
    line_->paused = on;
    if (!on) state_->ring();
  }

  void close() override {
    if (std::exchange(line_->closed, true)) return;
    std::unique_lock lock(state_->mutex);
    std::erase(state_->lines, line_);
    const std::uint64_t mine = ++state_->version;
    state_->wake();
    state_->changed.wait(lock, [this, mine] { return state_->seen >= mine || state_->stopping; });
  }

 private:
  std::shared_ptr<State> state_;
  std::shared_ptr<Line> line_;
};

Reader::Reader(boost::asio::any_io_executor executor, Clock& clock)
    : state_(std::make_shared<State>(executor, clock)) {}

Reader::~Reader() {
  state_->gone = true;
  state_->timer.cancel();
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_all();
  }
  if (state_->thread.joinable()) {
    state_->wake();
    state_->thread.join();
  }
  boost::system::error_code ignored;
  state_->news.close(ignored);
}

Result<std::unique_ptr<Tap>> Reader::tap(int fd, TapOptions options, std::function<void(const Batch&)> on_batch,
                                         std::function<void(int)> on_end) {
  if (!state_->thread.joinable()) {
    if (!state_->news.is_open()) {
      if (auto made = state_->make_bells(); !made) return pass(made.error());
    }
    try {
      state_->thread = std::thread([state = state_.get()] { state->run(); });
    } catch (const std::system_error& error) {
      return fail(Errc::io, "cannot start the reading thread: " + std::string(error.what()));
    }
    ::pthread_setname_np(state_->thread.native_handle(), "tml-reader");
  }
  auto line = std::make_shared<Line>();
  line->fd = fd;
  line->options = options;
  line->on_batch = std::move(on_batch);
  line->on_end = std::move(on_end);
  {
    const std::lock_guard lock(state_->mutex);
    state_->lines.push_back(line);
    ++state_->version;
  }
  state_->wake();
  return std::make_unique<LineTap>(state_, std::move(line));
}

std::string Reader::priority() const {
  const std::lock_guard lock(state_->mutex);
  return state_->priority;
}

}  // namespace tml::forwarder
