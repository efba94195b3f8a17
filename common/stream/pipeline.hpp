// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One input from its bytes to placed readings: recognises the stream, reads it, gives each reading its index and fitted
// time, and keeps the account (docs/stream.md). What a forwarder holds per port; windows are cut behind it.
//
//   Pipeline pipeline({});
//   pipeline.push(bytes, clock.steady(), sink);     // after each read()
//   pipeline.finish(sink);                          // at the end of the stream
//
// Text readings come with a delay: the first second is held to learn the clock, and lines that are late until it is
// known why (line_clock.hpp). Views in an Event live until the call returns. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/stream/accounting.hpp"
#include "common/stream/detector.hpp"
#include "common/stream/frame_reader.hpp"
#include "common/stream/line_clock.hpp"
#include "common/stream/text_reader.hpp"
#include "common/stream/types.hpp"
#include "common/stream/window.hpp"

namespace tml::stream {

struct StreamEvent {
  enum class Kind : std::uint8_t {
    recognised,   ///< `stream`, `score`; StreamKind::garbage hints at a wrong baud rate.
    axes,         ///< `axes`, `names` (empty when unknown): learnt, named or changed.
    reading,      ///< `reading`.
    gap,          ///< `gap`; comes before the reading behind it.
    bad,          ///< `text` says what was wrong with the line or frame near `index`.
    board_error,  ///< `text`: the board's own ERR line.
    message,      ///< `text`: banner or comment.
    session,      ///< `session`.
    reboot,       ///< Before reading `index`; `session` when it announced itself.
    board_drops,  ///< `count`.
    stall,        ///< `seconds`, from reading `index` on.
    rate_change,  ///< `change`.
  };
  Kind kind = Kind::message;
  StreamKind stream = StreamKind::unknown;
  double score = 0;
  std::size_t axes = 0;
  std::span<const std::string> names;
  Reading reading;
  Gap gap;
  std::uint64_t index = 0;
  std::uint64_t count = 0;
  double seconds = 0;
  RateChange change;
  std::string_view text;
  const wire::SessionInfo* session = nullptr;
};

struct PipelineSettings {
  StreamKind kind = StreamKind::unknown;  ///< unknown: find out.
  bool joined_midway = true;              ///< See TextReader::Settings.
};

class Pipeline {
 public:
  using Sink = wire::FunctionRef<void(const StreamEvent&)>;

  explicit Pipeline(PipelineSettings settings);
  void push(std::span<const std::byte> bytes, Time arrival, Sink sink);
  void finish(Sink sink);

  [[nodiscard]] StreamKind kind() const { return kind_; }
  [[nodiscard]] const Verdict& verdict() const { return detector_.verdict(); }
  [[nodiscard]] std::size_t axes() const;
  [[nodiscard]] std::span<const std::string> names() const;
  [[nodiscard]] const ClockFit& clock() const {
    return kind_ == StreamKind::frames ? frame_clock_ : line_clock_.clock();
  }
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  /// The account of everything so far. In text, `unresolved_bound` includes what may hide in bursts without a trace.
  [[nodiscard]] Account total() const;
  /// The account of a window of this stream.
  [[nodiscard]] Account account(const Window& window, GapPolicy policy) const;
  [[nodiscard]] const TextReader::Counters& text_counters() const { return text_.counters(); }
  [[nodiscard]] const FrameReader::Counters& frame_counters() const { return frames_.counters(); }
  /// Rate that the board states about itself; 0 when it does not.
  [[nodiscard]] double board_hz() const { return frames_.stated_hz(); }

 private:
  struct HeldLine {
    Values values;
    bool bad = false;
  };

  void route(std::span<const std::byte> bytes, Time arrival, Sink sink);
  void start(Sink sink);
  void on_line(const LineEvent& line, Sink sink);
  void on_placed(const LineClockEvent& placed, Sink sink);
  void on_frame(const FrameEvent& frame, Sink sink);
  void announce_axes(Sink sink);

  StreamKind kind_;
  Detector detector_;
  TextReader text_;
  FrameReader frames_;
  LineClock line_clock_;
  ClockFit frame_clock_;
  Ledger ledger_;
  std::deque<HeldLine> held_;  // Lines given to the clock and not yet placed.
  bool garbage_told_ = false;
};

}  // namespace tml::stream
