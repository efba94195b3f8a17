// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The cable between a host and a SimBoard in virtual time: a rate, an adapter that hands bytes on every 16 ms, noise,
// stalls, a plug that can be pulled. A ByteStream for the host; a test of minutes takes milliseconds.
#pragma once

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <limits>
#include <random>

#include "common/serial/byte_stream.hpp"
#include "tests/unit/flashlink/sim_board.hpp"

namespace tml::flashlink::testing {

struct Noise {
  double flip_per_bit = 0;
  double drop_per_byte = 0;
  double repeat_per_byte = 0;
};

class SimLine final : public serial::ByteStream {
 public:
  struct Config {
    Nanos latency = 16ms;  // bytes from the board wait for the next multiple of it; 0: none
    Noise up;              // host to board
    Noise down;
    std::uint32_t good_until = 0;  // rates above garble; 0: none do
    std::uint32_t seed = 1;
  };
  /// `clock` is shared by the lines that a board sees one after the other.
  SimLine(SimBoard& board, ManualClock& clock, Config c, std::uint32_t baud = 115'200)
      : config(std::move(c)), board_(board), clock_(clock), random_(config.seed), baud_(baud) {}

  Config config;
  std::optional<Nanos> unplug_at;
  std::vector<std::pair<Nanos, Nanos>> stalls;  // from, for: nothing moves either way
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::size_t most_queued = 0;  // bytes written and not yet through the line

  serial::Awaitable<Result<std::size_t>> read_some(std::span<std::byte> out, Nanos deadline) override {
    co_await boost::asio::post(boost::asio::use_awaitable);
    for (;;) {
      if (std::exchange(cancelled_, false)) co_return fail(Errc::interrupted, "interrupted", name_);
      pump();
      if (gone()) co_return fail(Errc::unplugged, "port has gone", name_);
      std::size_t count = 0;
      while (count < out.size() && !down_.empty() && down_.front().first <= now()) {
        out[count++] = down_.front().second;
        down_.pop_front();
      }
      received += count;
      if (count > 0) co_return count;
      if (now() >= deadline) co_return fail(Errc::timeout, "port stays silent", name_);
      Nanos next = std::min(deadline, next_event());
      if (unplug_at) next = std::min(next, *unplug_at);
      if (next == Nanos::max()) co_return fail(Errc::io, "the test waits for ever", name_);
      if (next > now()) clock_.advance(next - now());
      if (on_time) on_time(now());
    }
  }
  serial::Awaitable<Result<void>> write_all(std::span<const std::byte> bytes, Nanos) override {
    pump();
    if (gone()) co_return fail(Errc::unplugged, "port has gone", name_);
    sent += bytes.size();
    for (const std::byte byte : bytes) {
      up_free_ = unstalled(std::max(up_free_, now()) + byte_time(baud_));
      pass(byte, up_free_, config.up, up_, baud_ != board_.baud || bad_rate(baud_));
    }
    most_queued = std::max(most_queued, up_.size());
    co_return Result<void>{};
  }
  serial::Awaitable<Result<void>> set_baud(std::uint32_t rate) override {
    while (!gone() && up_free_ > now()) {
      clock_.advance(up_free_ - now());
      pump();
    }
    baud_ = rate;
    co_return Result<void>{};
  }
  [[nodiscard]] std::uint32_t baud() const override { return baud_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  void cancel() override { cancelled_ = true; }
  [[nodiscard]] const std::string& name() const override { return name_; }

  std::function<void(Nanos)> on_time;  // each time that time moves

 private:
  using Queue = std::deque<std::pair<Nanos, std::byte>>;
  [[nodiscard]] Nanos now() const { return clock_.steady(); }
  [[nodiscard]] bool gone() const { return unplug_at && now() >= *unplug_at; }
  static Nanos byte_time(std::uint32_t rate) { return Nanos(10'000'000'000 / rate); }
  [[nodiscard]] bool bad_rate(std::uint32_t rate) const { return config.good_until != 0 && rate > config.good_until; }
  [[nodiscard]] Nanos unstalled(Nanos at) const {
    for (const auto& [from, length] : stalls) {
      if (at >= from && at < from + length) at = from + length;
    }
    return at;
  }
  [[nodiscard]] Nanos next_event() const {
    Nanos next = board_.due();
    if (!up_.empty()) next = std::min(next, up_.front().first);
    if (!down_.empty()) next = std::min(next, down_.front().first);
    return next;
  }

  void pass(std::byte byte, Nanos at, const Noise& noise, Queue& into, bool garble) {
    const auto chance = [this](double p) { return p > 0 && unit_(random_) < p; };
    if (garble) byte = static_cast<std::byte>(random_());
    if (chance(noise.drop_per_byte)) return;
    if (chance(noise.flip_per_bit * 8)) byte ^= static_cast<std::byte>(1U << random_() % 8);
    into.emplace_back(at, byte);
    if (chance(noise.repeat_per_byte)) into.emplace_back(at, byte);
  }

  // Everything that is due by now, in the order of its time.
  void pump() {
    Bytes out;
    for (;;) {
      const Nanos board_due = board_.due();
      const Nanos byte_due = up_.empty() ? Nanos::max() : up_.front().first;
      const Nanos at = std::min(board_due, byte_due);
      if (at > now()) break;
      if (byte_due <= board_due) {
        board_.arrive(up_.front().second, at);
        up_.pop_front();
      }
      out.clear();
      board_.poll(at, out);
      for (const std::byte byte : out) {
        down_free_ = unstalled(std::max(down_free_, at) + byte_time(board_.baud));
        Nanos there = down_free_;
        if (config.latency > 0ns) there = (there + config.latency - 1ns) / config.latency * config.latency;
        pass(byte, there, config.down, down_, baud_ != board_.baud || bad_rate(board_.baud));
      }
      if (board_.baud_change_pending != 0) {
        board_.change_baud(std::exchange(board_.baud_change_pending, 0), down_free_);
      }
    }
  }

  SimBoard& board_;
  ManualClock& clock_;
  std::mt19937 random_;
  std::uniform_real_distribution<double> unit_{0, 1};
  std::uint32_t baud_;
  Queue up_;
  Queue down_;
  Nanos up_free_{0};
  Nanos down_free_{0};
  bool cancelled_ = false;
  std::string name_ = "simulated line";
};

}  // namespace tml::flashlink::testing
