// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The data part of a transfer, from the first granule to the last acknowledgement, as a state machine without I/O:
// frames come out, acknowledgements go in, time is a parameter. docs/flash-link.md, "Sending".
//
//   Order.   A serial line keeps the order of what it carries. Each frame gets a number; a granule that is missing
//            although one of a later frame has arrived is lost, certainly and at once: no counting of duplicates, no
//            wait. After silence (the retransmission time-out) the granule sent last is sent once more; the
//            acknowledgement of it tells all the losses before it.
//   Size.    A frame of n payload bytes costs n + h on the line and arrives with (1-p)^(n+h). The best n solves
//            n^2 + h n = h / p; p is estimated from what was lost of the last 64 KiB, starting where n is 512.
//   Pace.    Not more than kAhead of line time is handed to the driver beyond what has left by the line's rate: what
//            lies in a driver's queue can neither be stopped nor overtaken by what was lost.
//
// Not thread-safe. Refers to payload and chunks, which outlive it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/flashlink/compress.hpp"
#include "common/wire/flash_link.hpp"

namespace tml::flashlink {

struct SenderOptions {
  std::uint16_t session = 0;
  std::size_t max_payload = wire::flash::kMinFramePayload;  ///< Identity::max_payload
  std::uint8_t window = 2;                                  ///< Identity::window, chunks.
  bool leading_zero = true;  ///< To an application; frames to a bootloader share the 0x00 between them.
  std::uint32_t baud = 0;    ///< 0: a line without a rate (USB): no pacing.
};

struct SenderCounters {
  std::uint64_t line_bytes = 0;  ///< Encoded, with delimiters.
  std::uint64_t frames = 0;
  std::uint64_t granules = 0;
  std::uint64_t lost_frames = 0;      ///< Known to be.
  std::uint64_t resent_granules = 0;  ///< Sent for a second time, or more often.
  std::uint64_t timeouts = 0;
  std::uint64_t acks = 0;
  std::uint64_t rejected_chunks = 0;
};

class Sender {
 public:
  using Nanos = std::chrono::nanoseconds;
  static constexpr Nanos kAhead = std::chrono::milliseconds(20);
  static constexpr Nanos kMinTimeout = std::chrono::milliseconds(60);  ///< Reference flash-link section 2.
  /// A question costs 75 bytes, and on a bad line every third goes unheard: several must fit into 3 s of silence.
  static constexpr Nanos kMaxTimeout = std::chrono::milliseconds(250);
  static constexpr unsigned kMaxRejections = 4;  ///< Of one chunk, sent raw: then the transfer has failed.

  /// `chunks`: one per chunk of `payload` (1 to kMaxChunks). `have`: those that the board has already.
  Sender(std::span<const std::byte> payload, std::span<const Prepared> chunks, const std::vector<bool>& have,
         SenderOptions options);

  /// Writes the next frame, ready for the line, to `out` (at least kMaxEncodedFrame). 0: nothing to send now; ask again
  /// at wake() or behind an acknowledgement.
  [[nodiscard]] std::size_t next(Nanos now, std::span<std::byte> out);
  /// When next() may have something without an acknowledgement; Nanos::max() = never (done or failed).
  [[nodiscard]] Nanos wake() const;
  void on_ack(const wire::flash::Ack& ack, Nanos now);

  enum class State : std::uint8_t {
    sending,
    done,      ///< Every chunk is stored.
    rejected,  ///< A chunk was refused kMaxRejections times although it was sent raw.
    failed,    ///< The board ended the transfer (kAckFailed).
  };
  [[nodiscard]] State state() const { return state_; }
  /// Chunk that `rejected` is about; else the first one that is not stored.
  [[nodiscard]] std::size_t base() const { return base_; }
  /// Payload bytes that are stored, with those that were there before.
  [[nodiscard]] std::size_t stored_bytes() const;
  [[nodiscard]] bool stored(std::size_t chunk) const { return chunks_[chunk].stored; }
  /// Any of its granules was handed out.
  [[nodiscard]] bool touched(std::size_t chunk) const { return chunks_[chunk].touched; }
  [[nodiscard]] const SenderCounters& counters() const { return counters_; }
  /// Payload bytes per frame as it is chosen now.
  [[nodiscard]] std::size_t frame_payload() const;
  /// Smoothed time from a frame's last bit to its acknowledgement; 0 before the first.
  [[nodiscard]] Nanos round_trip() const { return srtt_; }

 private:
  enum class Flight : std::uint8_t { unsent, flying, lost, got };
  struct Granule {
    Flight flight = Flight::unsent;
    bool again = false;       // sent more than once
    std::uint32_t order = 0;  // of the frame that carried it last; the first one when it was repeated without proof
  };
  struct Chunk {
    std::array<Granule, wire::flash::kGranulesPerChunk> granules{};
    std::uint8_t count = 0;
    unsigned rejections = 0;
    unsigned doubted = 0;  // rejections taken for stale ones, in a row
    bool stored = false;
    bool plain = false;  // sent raw after a rejection
    bool touched = false;
    Nanos departs{0};  // of what was sent of it last
  };

  [[nodiscard]] std::span<const std::byte> bytes_of(std::size_t chunk) const;
  [[nodiscard]] wire::flash::Encoding encoding_of(std::size_t chunk) const;
  void restart(std::size_t chunk);
  void mark(std::size_t chunk);
  [[nodiscard]] std::size_t find(Flight wanted, std::size_t& run);
  [[nodiscard]] std::size_t emit(std::size_t first, std::size_t count, bool probe, Nanos now, std::span<std::byte> out);
  [[nodiscard]] std::size_t probe(Nanos now, std::span<std::byte> out);
  void take_bitmap(std::size_t chunk, std::uint64_t got, std::uint32_t& newest, bool& any);
  void lose_before(std::uint32_t order);
  void take_rejection(std::size_t chunk, Nanos now);
  [[nodiscard]] Nanos timeout() const;
  [[nodiscard]] Nanos departure(Nanos now) const { return now > line_free_ ? now : line_free_; }

  std::span<const std::byte> payload_;
  std::span<const Prepared> prepared_;
  SenderOptions options_;
  std::vector<Chunk> chunks_;
  State state_ = State::sending;
  std::size_t base_ = 0;
  std::size_t limit_ = 0;     // granule
  std::size_t next_new_ = 0;  // granule: none before it is unsent
  std::size_t lost_ = 0;      // granules in Flight::lost
  bool anything_sent_ = false;
  std::uint32_t order_ = 0;
  Nanos line_free_{0};
  Nanos quiet_since_{0};  // last departure or acknowledgement, whichever was later
  unsigned backoff_ = 0;
  Nanos srtt_{0};
  Nanos least_rtt_{0};
  Nanos flash_{0};
  std::uint32_t timed_order_ = 0;  // the frame whose round trip is being measured
  Nanos timed_departs_{0};
  bool timing_ = false;
  double seen_bytes_ = 0;  // of late, for the estimate of the loss
  double seen_losses_ = 0;
  SenderCounters counters_;
};

}  // namespace tml::flashlink
