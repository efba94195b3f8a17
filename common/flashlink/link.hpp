// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Frames and requests over one byte stream: the host's end of docs/flash-link.md below the operations (session.hpp) and
// beside the data (sender.hpp).
//
// A request is sent again with the same id until its reply comes; the board answers a repeated id with the reply it
// gave. `working` events are a sign of life. What a board prints between frames (an application's console) is kept
// apart as text. Everything a board may send is bounded: a frame by kMaxEncodedFrame, text by kMaxText (the oldest
// goes).
//
// One coroutine at a time, on the stream's executor. The stream outlives the link. Errors: the stream's; Errc::timeout
// when a board stays silent; Errc::garbage when bytes came but not one frame in all that time; Errc::malformed for a
// reply that does not follow its format; Errc::interrupted after cancel().
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/serial/byte_stream.hpp"
#include "common/wire/flash_link.hpp"

namespace tml::flashlink {

struct LinkCounters {
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t frames_sent = 0;
  std::uint64_t frames_received = 0;
  std::uint64_t bad_frames = 0;  ///< Runs between two 0x00 that were neither frame nor text.
  std::uint64_t request_repeats = 0;
  std::uint64_t text_bytes = 0;
};

struct Reply {
  wire::flash::Status status = wire::flash::Status::ok;
  std::vector<std::byte> payload;
};

/// How long a request may take.
struct Patience {
  /// Without an answer: give up. Each `working` event begins it anew; three times as long on a line with bad frames.
  Millis silence{3000};
  Millis first{120};  ///< The first repeat, on top of the time on the line; doubled each time up to `most`.
  Millis most{300};
  unsigned sends = 100;  ///< Times that it is sent at most.
};

/// What arrived: one frame, or nothing until the deadline.
struct Arrival {
  wire::flash::Frame frame;  ///< Valid until the next call.
  std::uint16_t session = 0;
};

class Link {
 public:
  static constexpr std::size_t kMaxText = 64 * 1024;

  explicit Link(serial::ByteStream& stream);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  [[nodiscard]] serial::ByteStream& stream() { return stream_; }
  [[nodiscard]] const serial::ByteStream& stream() const { return stream_; }
  [[nodiscard]] std::chrono::nanoseconds now() const { return stream_.clock().steady(); }

  /// Which session frames are made for and accepted of (0: none yet), and whether frames need a 0x00 in front.
  void set_session(std::uint16_t session, bool leading_zero);
  [[nodiscard]] std::uint16_t session() const { return session_; }
  [[nodiscard]] bool leading_zero() const { return leading_zero_; }

  /// HELLO at the present rate, again each `every`, until its reply or the deadline. Sets session and leading zero.
  /// Errc::unsupported for a board of another protocol version.
  [[nodiscard]] serial::Awaitable<Result<wire::flash::Identity>> hello(std::uint8_t id,
                                                                       std::chrono::nanoseconds deadline, Millis every);

  /// One request and its reply, whatever its status. `payload` (at most kMaxFramePayload) stays until then.
  [[nodiscard]] serial::Awaitable<Result<Reply>> exchange(wire::flash::Op op, std::span<const std::byte> payload,
                                                          Patience patience = {});

  /// Frames made by a Sender.
  [[nodiscard]] serial::Awaitable<Result<void>> write(std::span<const std::byte> encoded);
  /// The next valid frame of the session; nothing when the deadline passed. A deadline in the past: only what is here.
  [[nodiscard]] serial::Awaitable<Result<std::optional<Arrival>>> receive(std::chrono::nanoseconds deadline);

  /// When the last valid frame came; 0 before the first.
  [[nodiscard]] std::chrono::nanoseconds last_heard() const { return last_heard_; }
  /// What the board printed since the last call.
  [[nodiscard]] std::string take_text();
  /// Ends what is under way, and everything later, with Errc::interrupted; from the executor.
  void cancel();
  [[nodiscard]] bool cancelled() const { return cancelled_; }
  /// After a cancel(): for the ABORT that follows it.
  void rearm() { cancelled_ = false; }
  [[nodiscard]] const LinkCounters& counters() const { return counters_; }

 private:
  [[nodiscard]] serial::Awaitable<Result<void>> send(const wire::flash::Frame& frame, std::uint16_t session, bool wake);
  [[nodiscard]] std::optional<Arrival> take_run();
  void keep_text(std::span<const std::byte> text);
  [[nodiscard]] Error silent(wire::flash::Op op, std::uint64_t bytes_before, std::uint64_t frames_before) const;

  serial::ByteStream& stream_;
  std::uint16_t session_ = 0;
  bool leading_zero_ = true;
  bool cancelled_ = false;
  std::uint8_t next_id_ = 1;
  std::chrono::nanoseconds last_heard_{0};
  std::vector<std::byte> run_;  // since the last 0x00
  bool run_too_long_ = false;
  std::vector<std::byte> frame_;
  std::array<std::byte, 4096> in_{};
  std::size_t in_at_ = 0;
  std::size_t in_end_ = 0;
  std::string text_;
  LinkCounters counters_;
};

}  // namespace tml::flashlink
