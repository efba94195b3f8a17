// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Finds the answer to one AT command in a stream of bytes that may come in any pieces, with noise before the echo: the
// host's half of wire reference 1.3, 1.8 and 1.9, done without the incumbent's defects (a prompt counts at the start of
// a line only, nothing is read twice). No I/O, no clock, no heap: the session feeds it and reacts to events.
//
// Life of a plain command:    begin -> [stray_prompt]* -> echo -> [marker]* -> prompt
// at the faster rate:         begin -> echo -> switch_ok (change the rate) -> data_end (change back) -> prompt
//
// What foreign boards print differently shows up as pending(): something that would be an end if nothing follows. After
// a quiet time of its choosing the session calls accept_pending().
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/wire/bytes.hpp"

namespace tml::wire {

enum class Marker : std::uint8_t { sampling, done_sampling, processing, done_processing, uploading };

class ResponseScanner {
 public:
  enum class Mode : std::uint8_t {
    plain,     ///< the body ends at the prompt
    switched,  ///< body between two OK lines, at another rate
    stream,    ///< as switched, but OK lines count as the end only after expect_stop()
  };
  enum class Event : std::uint8_t {
    none,          ///< all input consumed
    echo,          ///< the whole echo with its line end was seen; the body begins
    stray_prompt,  ///< a prompt at a line's start while waiting for the echo: stale, or the echo was damaged
    marker,        ///< marker() was seen, first time in this answer
    switch_ok,     ///< the board is about to change its rate
    data_end,      ///< the OK line behind the payload; the board goes back to the normal rate
    prompt,  ///< the answer is complete; what follows is left unconsumed (feed() takes nothing more until begin())
  };
  enum class Pending : std::uint8_t { none, prompt, data_end };
  struct Step {
    std::size_t consumed = 0;  ///< bytes taken from the input; feed the rest again after handling the event
    Event event = Event::none;
  };
  struct Options {
    Mode mode = Mode::plain;
    bool echo = true;  ///< false for boards without echo: the body begins at once
    /// Where the body goes as it comes, without line ends (Mode::stream: each CR and LF as LF) and without lines that
    /// are just "OK" or "OKOK" (1.8): made for base64 and hex read-outs. The body memory then keeps only the first
    /// part, for error texts, and no markers are looked for.
    std::optional<TextSink> stream_body{};
  };

  /// `body` bounds what body() can hold; both must outlive the scanner.
  explicit ResponseScanner(std::span<char> body);

  /// Starts a command. `command` without CR; must outlive the answer. Empty = wait for any prompt (the handshake after
  /// "b" CR).
  void begin(std::string_view command, const Options& options);
  void begin(std::string_view command) { begin(command, Options{}); }

  [[nodiscard]] Step feed(std::string_view input);

  /// How many bytes of the command the echo has confirmed so far: clocks the writes.
  [[nodiscard]] std::size_t echoed() const { return echo_matched_; }
  /// The answer's text between echo and prompt, line ends as sent; complete unless overflowed().
  [[nodiscard]] std::string_view body() const { return {body_.data(), body_size_}; }
  /// More came than the body memory holds (the scan goes on, so the line stays in step).
  [[nodiscard]] bool overflowed() const { return body_total_ > body_size_ && !streaming(); }
  [[nodiscard]] std::uint64_t body_bytes() const { return body_total_; }
  [[nodiscard]] Marker marker() const { return marker_; }
  /// Bytes before the echo that were not part of it (line ends and stale prompts not counted).
  [[nodiscard]] std::uint64_t noise_bytes() const { return echo_phase_bytes_ - echo_matched_; }

  /// What the last bytes would mean if nothing followed them.
  [[nodiscard]] Pending pending() const;
  /// The session says that nothing follows: gives the event (prompt or data_end), or none when nothing is pending.
  [[nodiscard]] Event accept_pending();
  /// Mode::stream: "b" CR was sent; the next OK line ends the data.
  void expect_stop() { stopping_ = true; }

 private:
  enum class Phase : std::uint8_t { echo, first_ok, body, tail, done };
  [[nodiscard]] bool streaming() const { return options_.stream_body.has_value(); }
  [[nodiscard]] std::size_t take_plain_run(std::string_view input);
  [[nodiscard]] Event push(char c);
  [[nodiscard]] Event push_echo(char c);
  [[nodiscard]] Event push_body(char c);
  [[nodiscard]] Event push_tail(char c);
  [[nodiscard]] Event end_of_line(char c);
  [[nodiscard]] Event finish(Event event);
  [[nodiscard]] bool ok_line() const { return line_ok_ == 2 || line_ok_ == 4; }
  [[nodiscard]] bool ok_ends_data() const;
  void begin_body(Phase phase);
  void emit(std::string_view text);
  void release_held();
  [[nodiscard]] bool match_markers(char c);
  void advance_echo(char c);

  std::span<char> body_;
  std::string_view command_;
  Options options_;
  Phase phase_ = Phase::done;
  std::size_t body_size_ = 0;
  std::uint64_t body_total_ = 0;
  std::uint64_t echo_phase_bytes_ = 0;
  std::size_t echo_matched_ = 0;
  bool skip_line_feed_ = false;  // the LF of the echo's CR LF
  bool line_start_ = true;
  std::uint8_t prompt_held_ = 0;  // characters of "> " held back
  bool prompt_at_start_ = false;  // and whether they began the line
  std::uint8_t line_ok_ = 0;      // the line so far is this much of OKOK; kNotOk otherwise
  std::array<std::uint8_t, 5> marker_matched_{};
  std::array<bool, 5> marker_seen_{};
  Marker marker_ = Marker::sampling;
  bool stopping_ = false;
};

}  // namespace tml::wire
