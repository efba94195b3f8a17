// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A ByteStream in virtual time whose other end is a function: it gets what was written and says what comes back. A read
// without anything to read moves the clock to its deadline, so no call can hang and minutes cost nothing.
#pragma once

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "common/serial/byte_stream.hpp"

namespace tml::testing_support {

/// Runs one awaitable to its end on a loop of its own.
template <class T>
T run(boost::asio::awaitable<T> operation) {
  boost::asio::io_context loop;
  std::optional<T> result;
  boost::asio::co_spawn(loop, std::move(operation), [&result](std::exception_ptr error, T value) {
    if (error) std::rethrow_exception(error);
    result.emplace(std::move(value));
  });
  loop.run();
  return std::move(result.value());
}

class VirtualStream final : public serial::ByteStream {
 public:
  using Nanos = std::chrono::nanoseconds;
  /// Called with each write, and with nothing before a read that finds nothing.
  using Peer = std::function<std::string(std::string_view)>;

  explicit VirtualStream(Peer peer_function, std::uint32_t rate = 115'200)
      : peer(std::move(peer_function)), rate_(rate) {}

  Peer peer;
  ManualClock time;
  std::uint64_t written = 0;
  std::deque<char> incoming;

  serial::Awaitable<Result<std::size_t>> read_some(std::span<std::byte> out, Nanos deadline) override {
    co_await boost::asio::post(boost::asio::use_awaitable);
    if (incoming.empty()) feed({});
    if (incoming.empty()) {
      if (deadline > time.steady()) time.advance(deadline - time.steady());
      co_return fail(Errc::timeout, "nothing came", name_);
    }
    const std::size_t count = std::min({out.size(), incoming.size(), std::size_t{100}});
    for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<std::byte>(incoming[i]);
    incoming.erase(incoming.begin(), incoming.begin() + static_cast<std::ptrdiff_t>(count));
    time.advance(byte_time() * static_cast<std::int64_t>(count));
    co_return count;
  }
  serial::Awaitable<Result<void>> write_all(std::span<const std::byte> bytes, Nanos) override {
    co_await boost::asio::post(boost::asio::use_awaitable);
    written += bytes.size();
    time.advance(byte_time() * static_cast<std::int64_t>(bytes.size()));
    feed({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    co_return Result<void>();
  }
  serial::Awaitable<Result<void>> set_baud(std::uint32_t bits_per_second) override {
    rate_ = bits_per_second;
    co_return Result<void>();
  }
  [[nodiscard]] std::uint32_t baud() const override { return rate_; }
  [[nodiscard]] const Clock& clock() const override { return time; }
  void cancel() override {}
  [[nodiscard]] const std::string& name() const override { return name_; }

 private:
  [[nodiscard]] Nanos byte_time() const { return Nanos(10'000'000'000 / rate_); }
  void feed(std::string_view bytes) {
    const std::string answer = peer(bytes);
    incoming.insert(incoming.end(), answer.begin(), answer.end());
  }

  std::uint32_t rate_;
  std::string name_ = "virtual";
};

}  // namespace tml::testing_support
