// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One thread that reads all inputs, so that reading waits for nothing: not for parsing, not for the disk, not for the
// network. It polls, reads, stamps each read with the time and appends to a bounded buffer per input; the loop fetches
// what is there, at most every kFetchEvery. It asks for real-time priority (SCHED_FIFO 1, else nice -10) and works
// without.
//
// A Tap is one input's end. Lossy taps (serial lines: nobody can make them wait) throw away what exceeds the buffer and
// count it; the others stop reading until there is room, so that the sender waits.
//
// Threads: everything but the reading itself on the executor. Taps may be closed from within their own callbacks.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <functional>
#include <memory>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"
#include "forwarder/batch.hpp"

namespace tml::forwarder {

struct TapOptions {
  bool lossy = true;
  std::size_t max_bytes = std::size_t{4} << 20U;  ///< Kept for the loop: 13 s of a 3 Mbaud line.
  /// After a read of less than this the thread rests for kRest when many inputs are at work, so that 32 slow boards
  /// cost few wake-ups; a fast line never waits.
  std::size_t busy_bytes = 512;
};

class Tap {
 public:
  virtual ~Tap() = default;
  /// While paused nothing is handed on; a tap that is not lossy then stops reading once its buffer is full.
  virtual void pause(bool on) = 0;
  /// No callback comes any more, and the thread no longer touches the descriptor.
  virtual void close() = 0;
};

class Reader {
 public:
  static constexpr Millis kFetchEvery{10};
  static constexpr Millis kRest{1};
  static constexpr std::size_t kManyTaps = 4;

  /// `clock`: for arrival times; used on the thread.
  Reader(boost::asio::any_io_executor executor, Clock& clock);
  ~Reader();
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  /// Reads from `fd`, which stays the caller's and open until close(). A descriptor that blocks is fine (it is read
  /// only when poll() says so). `on_batch`: what came. `on_end`: once, after the last batch: none = end of file, else
  /// errno of the read (EIO, ENXIO: unplugged). Errc::io when the thread could not be started.
  [[nodiscard]] Result<std::unique_ptr<Tap>> tap(int fd, TapOptions options, std::function<void(const Batch&)> on_batch,
                                                 std::function<void(int error)> on_end);

  /// "SCHED_FIFO 1", "nice -10" or "normal"; empty before the first tap.
  [[nodiscard]] std::string priority() const;

 private:
  struct State;
  struct Line;
  class LineTap;
  std::shared_ptr<State> state_;
};

}  // namespace tml::forwarder
