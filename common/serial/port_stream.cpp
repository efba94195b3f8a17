// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/port_stream.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

namespace tml::serial {
namespace asio = boost::asio;
namespace {
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
using Descriptor = asio::posix::stream_descriptor;
}  // namespace

struct PortStream::State : std::enable_shared_from_this<PortStream::State> {
  /// One direction: its timer, and what ended its wait.
  struct Side {
    explicit Side(const asio::any_io_executor& executor) : timer(executor) {}
    asio::steady_timer timer;
    std::uint64_t generation = 0;
    bool waiting = false;
    bool timed_out = false;
    bool cancelled = false;
  };

  State(const asio::any_io_executor& executor, Port opened)
      : port(std::move(opened)),
        path(port.path()),
        descriptor(executor, port.fd()),
        reader(executor),
        writer(executor) {}
  ~State() {
    // The Port owns the descriptor; Asio must not close it a second time.
    if (descriptor.is_open()) descriptor.release();
  }

  [[nodiscard]] Error closed() const { return Error{Errc::unplugged, "port is closed", path, {}, {}}; }

  /// Success: ready, look again. Otherwise timeout, interrupted, unplugged or io.
  Awaitable<Result<void>> wait(Side& side, Descriptor::wait_type type, std::chrono::nanoseconds deadline);

  Port port;
  std::string path;
  Descriptor descriptor;
  Side reader;
  Side writer;
  bool open = true;
};

Awaitable<Result<void>> PortStream::State::wait(Side& side, Descriptor::wait_type type,
                                                std::chrono::nanoseconds deadline) {
  const auto self = shared_from_this();
  for (;;) {
    const auto left = deadline - system_clock().steady();
    if (left <= left.zero()) co_return fail(Errc::timeout, "port stays silent", path);
    side.timed_out = false;
    side.waiting = true;
    const std::uint64_t mine = ++side.generation;
    // Deadlines may be "never"; Asio's clock would overflow on them.
    side.timer.expires_after(std::min<std::chrono::nanoseconds>(left, std::chrono::hours(24)));
    side.timer.async_wait([weak = weak_from_this(), &side, mine](boost::system::error_code error) {
      const auto state = weak.lock();
      if (error || !state || side.generation != mine) return;
      side.timed_out = true;
      boost::system::error_code ignored;
      state->descriptor.cancel(ignored);
    });
    const auto [error] = co_await descriptor.async_wait(type, kTuple);
    ++side.generation;
    side.timer.cancel();
    side.waiting = false;
    if (!open) co_return pass(closed());
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (std::exchange(side.cancelled, false) || cancellation.cancelled() != asio::cancellation_type::none) {
      co_return fail(Errc::interrupted, "interrupted", path);
    }
    if (!error) co_return Result<void>{};
    // The other direction's cancellation also lands here: wait again.
    if (error != asio::error::operation_aborted)
      co_return pass(port_error(error.value(), "cannot wait for port", path));
  }
}

PortStream::PortStream(asio::any_io_executor executor, Port port)
    : state_(std::make_shared<State>(executor, std::move(port))) {}

PortStream::~PortStream() { close(); }

Result<std::unique_ptr<PortStream>> PortStream::open(asio::any_io_executor executor, const std::string& path,
                                                     const PortOptions& options) {
  auto port = Port::open(path, options);
  if (!port) return pass(std::move(port.error()));
  try {
    return std::make_unique<PortStream>(std::move(executor), std::move(*port));
  } catch (const boost::system::system_error& error) {
    return pass(port_error(error.code().value(), "cannot watch port", path));
  }
}

Awaitable<Result<std::size_t>> PortStream::read_some(std::span<std::byte> out, std::chrono::nanoseconds deadline) {
  const auto state = state_;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  Result<std::size_t> result = 0;
  for (;;) {
    if (!state->open) {
      result = pass(state->closed());
      break;
    }
    const ssize_t got = ::read(state->port.fd(), out.data(), out.size());
    if (got > 0) {
      result = static_cast<std::size_t>(got);
      break;
    }
    if (got == 0) {
      result = pass(port_error(ENXIO, "port has gone", state->path));
      break;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      result = pass(port_error(errno, "cannot read from port", state->path));
      break;
    }
    auto ready = co_await state->wait(state->reader, Descriptor::wait_read, deadline);
    if (!ready) {
      result = pass(std::move(ready.error()));
      break;
    }
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return result;
}

Awaitable<Result<void>> PortStream::write_all(std::span<const std::byte> bytes, std::chrono::nanoseconds deadline) {
  const auto state = state_;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  Result<void> result;
  while (!bytes.empty()) {
    if (!state->open) {
      result = pass(state->closed());
      break;
    }
    const ssize_t put = ::write(state->port.fd(), bytes.data(), bytes.size());
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      result = pass(port_error(errno, "cannot write to port", state->path));
      break;
    }
    auto ready = co_await state->wait(state->writer, Descriptor::wait_write, deadline);
    if (!ready) {
      result = pass(std::move(ready.error()));
      break;
    }
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return result;
}

Awaitable<Result<void>> PortStream::set_baud(std::uint32_t bits_per_second) {
  const auto state = state_;
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  Result<void> result;
  // tcdrain() would block the loop; the queue's own length tells how long it needs. A device that takes nothing for
  // this long is stuck.
  constexpr std::chrono::seconds kDrainLimit{2};
  const auto deadline = system_clock().steady() + kDrainLimit;
  for (;;) {
    if (!state->open) {
      result = pass(state->closed());
      break;
    }
    const auto pending = state->port.output_pending();
    if (!pending) {
      result = pass(pending.error());
      break;
    }
    if (*pending == 0 || system_clock().steady() >= deadline) {
      result = state->port.set_baud(bits_per_second);
      break;
    }
    const std::uint64_t bits = *pending * 10U;
    const std::chrono::microseconds needed(bits * 1'000'000U / std::max<std::uint32_t>(state->port.baud(), 1) + 100U);
    state->writer.timer.expires_after(std::min<std::chrono::microseconds>(needed, std::chrono::milliseconds(50)));
    const auto [error] = co_await state->writer.timer.async_wait(kTuple);
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      result = fail(Errc::interrupted, "interrupted", state->path);
      break;
    }
    if (error && !state->open) continue;
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return result;
}

std::uint32_t PortStream::baud() const { return state_->port.baud(); }
const Clock& PortStream::clock() const { return system_clock(); }
const std::string& PortStream::name() const { return state_->path; }
bool PortStream::is_open() const { return state_->open; }
Port& PortStream::port() { return state_->port; }

void PortStream::cancel() {
  if (!state_->open || !state_->reader.waiting) return;
  state_->reader.cancelled = true;
  boost::system::error_code ignored;
  state_->descriptor.cancel(ignored);
}

void PortStream::close() {
  if (!state_->open) return;
  state_->open = false;
  boost::system::error_code ignored;
  state_->descriptor.cancel(ignored);
  state_->reader.timer.cancel();
  state_->writer.timer.cancel();
  state_->descriptor.release();
  // Moving the port out closes it and so releases the lock at once, while State lives on for operations that are still
  // ending.
  const Port gone = std::move(state_->port);
}

}  // namespace tml::serial
