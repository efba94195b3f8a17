// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What AtSession's members share. Private to common/serial.
#pragma once

#include <boost/asio/this_coro.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/serial/at_line.hpp"
#include "common/serial/at_session.hpp"
#include "common/serial/line_lock.hpp"
#include "common/wire/at_host.hpp"

namespace tml::serial {

class AtSession::Impl {
 public:
  Impl(ByteStream& stream, AtOptions options)
      : stream_(stream), options_(std::move(options)), line_(stream_, options_), lock_(options_.max_waiting) {}

  /// Runs `operation` (a callable that gives an awaitable) with the line to itself. While it runs, cancellation of the
  /// coroutine does not throw: it comes back as Errc::interrupted.
  template <class T, class Operation>
  [[nodiscard]] Awaitable<Result<T>> exclusive(Operation operation, bool first = false) {
    const bool throws = co_await boost::asio::this_coro::throw_if_cancelled();
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    auto guard = co_await lock_.acquire(first);
    if (!guard) {
      co_await boost::asio::this_coro::throw_if_cancelled(throws);
      Error error = std::move(guard.error());
      error.where = stream_.name();
      co_return pass(std::move(error));
    }
    if (first) line_.set_aborting(false);
    Result<T> result = co_await operation();
    if (!result && leaves_line_open(result.error().code)) line_.lose_step();
    co_await boost::asio::this_coro::throw_if_cancelled(throws);
    co_return result;
  }

  using MarkerFn = std::function<void(wire::Marker)>;
  /// One command that ends in a prompt. `repeatable`: may be sent again when its answer was garbled.
  [[nodiscard]] Awaitable<Result<AtReply>> run(const AtCommand& command, Timeouts timeouts, bool repeatable,
                                               const MarkerFn& on_marker);
  /// run() for a setter: anything but OK is Errc::refused.
  [[nodiscard]] Awaitable<Result<void>> set(Result<AtCommand> command, Timeouts timeouts);
  [[nodiscard]] Awaitable<Result<DeviceInfo>> config();
  [[nodiscard]] Awaitable<Result<InfoReply>> info();
  [[nodiscard]] Awaitable<Result<SampleFile>> sample(const SampleRequest& request, const SampleEventFn& on_event);
  [[nodiscard]] Awaitable<Result<void>> stream_lines(const AtCommand& command, const LineFn& on_line,
                                                     Timeouts timeouts);
  [[nodiscard]] Awaitable<Result<void>> read_out(ReadProgress& progress, const ReadProgressFn& on_progress);
  /// A command that takes `bytes` as base64, `items` in the board's count.
  [[nodiscard]] Awaitable<Result<StaticReply>> send_block(AtCommand block_command, std::span<const std::byte> bytes,
                                                          std::size_t items, const ReadProgressFn& on_progress);
  [[nodiscard]] Awaitable<Result<SnapshotImage>> snapshot(SnapshotSize size);
  [[nodiscard]] Awaitable<Result<void>> snapshot_stream(SnapshotSize size, const SnapshotFn& on_frame,
                                                        SnapshotStreamStats& stats);
  [[nodiscard]] Awaitable<Result<void>> ensure_step();
  [[nodiscard]] Awaitable<Result<void>> wake(std::chrono::nanoseconds within);

  [[nodiscard]] Error refused(const AtCommand& command, std::string_view words) const;

  ByteStream& stream_;
  const AtOptions options_;
  AtLine line_;
  LineLock lock_;
  AtVersion version_;
  std::uint32_t transfer_baud_ = 0;
  std::vector<std::string> caps_;
  unsigned late_echoes_ = 0;
  bool snapshot_stop_ = false;     ///< The stream is to end.
  bool snapshot_running_ = false;  ///< It has the line.
  bool snapshot_reading_ = false;  ///< It is past its start: a wait for input may be cut short.

 private:
  struct Transfer;
  /// What has come of the line that is being received.
  struct FrameLine {
    std::string text;
    bool overlong = false;
  };
  [[nodiscard]] wire::TransferPlan plan(wire::TransferKind kind, bool may_be_fast) const;
  /// After the OK that announces the other rate: takes its line end, then changes the host's.
  [[nodiscard]] Awaitable<Result<void>> to_fast_rate();
  /// Waits for that OK. `switched` stays false when the board answered something else up to its prompt.
  [[nodiscard]] Awaitable<Result<void>> follow_switch(wire::ResponseScanner& scanner, bool& switched);
  [[nodiscard]] Awaitable<Result<SnapshotImage>> snapshot_once(SnapshotSize size, bool fast);
  [[nodiscard]] Awaitable<Result<void>> follow_stream(const AtCommand& command, SnapshotSize size,
                                                      const SnapshotFn& on_frame, SnapshotStreamStats& stats,
                                                      bool switched);
  /// After `b`: to the prompt at the base rate.
  [[nodiscard]] Awaitable<Result<void>> end_stream(FrameLine& line, bool switched, std::size_t limit);
  /// Takes input up to the end of the next line into `line`. True: the line is complete (without its end). A prompt
  /// counts as a line of its own, "> ".
  [[nodiscard]] bool take_line(FrameLine& line, std::size_t limit);
  /// The next line that is not blank, or "> "; Errc::timeout at the deadline.
  [[nodiscard]] Awaitable<Result<std::string>> next_line(std::chrono::nanoseconds deadline);
  [[nodiscard]] Awaitable<Result<AtReply>> run_once(const AtCommand& command, Timeouts timeouts,
                                                    const MarkerFn& on_marker);
  [[nodiscard]] Awaitable<Result<void>> transfer(Transfer& transfer);
  [[nodiscard]] Awaitable<Result<void>> follow_transfer(Transfer& transfer, wire::ResponseScanner& scanner);
  [[nodiscard]] static bool leaves_line_open(Errc code);
};

/// Whether the board answered that it did not understand a line other than the one that was sent: the line was garbled
/// on its way, nothing was run, and sending it again is safe.
[[nodiscard]] bool was_misheard(std::string_view sent, std::string_view answer);

}  // namespace tml::serial
