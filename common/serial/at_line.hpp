// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The moves of an AT conversation below the meaning of commands: waking a board, typing a line by the clock of its
// echo, and waiting for what a wire::ResponseScanner finds in the answer. Private to common/serial.
//
// Not thread-safe; one move at a time (the session's lock sees to it). Deadlines are of the stream's clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/serial/at_types.hpp"
#include "common/serial/byte_stream.hpp"
#include "common/wire/response_scanner.hpp"

namespace tml::serial {

/// The two bounds of a wait, made absolute.
struct Budget {
  std::chrono::nanoseconds total_deadline{0};
  std::chrono::nanoseconds idle{0};  ///< Zero: not used.
};

class AtLine {
 public:
  AtLine(ByteStream& stream, const AtOptions& options);

  /// Erases what may stand in the board's line, sends `b` CR and waits for a prompt at the base rate. Tries `fast_baud`
  /// (0: none) too where the base rate brings nothing: a board left in a stream only listens there.
  [[nodiscard]] Awaitable<Result<void>> wake(std::chrono::nanoseconds deadline, std::uint32_t fast_baud);

  /// Types the line and, once its echo was right, the CR. The scanner has begun the command afterwards. Scanner
  /// options' `echo` is set here. Errc::garbage when the echo stayed wrong.
  [[nodiscard]] Awaitable<Result<void>> type(std::string_view line, wire::ResponseScanner& scanner,
                                             wire::ResponseScanner::Options options, const Budget& budget);

  /// Next event of the answer. Errc::timeout with the cause told apart: silence, an answer that stopped, noise
  /// (Errc::garbage).
  [[nodiscard]] Awaitable<Result<wire::ResponseScanner::Event>> next_event(wire::ResponseScanner& scanner,
                                                                           const Budget& budget);

  /// At least one byte into the input buffer; for answers that no scanner fits.
  [[nodiscard]] Awaitable<Result<void>> fill(std::chrono::nanoseconds deadline);
  [[nodiscard]] std::string_view input() const;
  void consume(std::size_t count);

  [[nodiscard]] Awaitable<Result<void>> write(std::string_view text);
  /// Back to the rate that commands are typed at. No-op when it is set.
  [[nodiscard]] Awaitable<Result<void>> set_baud(std::uint32_t baud);

  [[nodiscard]] Budget budget(const Timeouts& timeouts) const;
  [[nodiscard]] std::chrono::nanoseconds now() const { return stream_.clock().steady(); }

  /// The board may be anywhere: wake it before the next command.
  void lose_step() { in_step_ = false; }
  [[nodiscard]] bool in_step() const { return in_step_; }
  /// Makes every wait end with Errc::interrupted until cleared.
  void set_aborting(bool aborting) { aborting_ = aborting; }
  [[nodiscard]] std::optional<bool> echoes() const { return echoes_; }
  /// What a completed answer showed about echo: its text starts with the command although none was expected.
  void learn_echo(bool line_was_echoed) {
    if (!echoes_) echoes_ = line_was_echoed;
  }
  [[nodiscard]] bool typed_blind() const { return typed_blind_; }

  [[nodiscard]] AtStats& stats() { return stats_; }
  [[nodiscard]] const AtStats& stats() const { return stats_; }
  [[nodiscard]] std::string stray_text() const;

 private:
  enum class Typed : std::uint8_t { verified, blind, wrong };
  [[nodiscard]] Awaitable<Result<Typed>> type_once(std::string_view line, wire::ResponseScanner& scanner, bool echo,
                                                   bool pace, const Budget& budget);
  [[nodiscard]] Awaitable<Result<void>> send_return(wire::ResponseScanner& scanner, bool echo, const Budget& budget);
  [[nodiscard]] Awaitable<Result<void>> erase_line();
  [[nodiscard]] Awaitable<Result<void>> drop_input(std::chrono::nanoseconds quiet);
  [[nodiscard]] Awaitable<Result<bool>> prompt_within(std::chrono::nanoseconds deadline);
  void remember_stray(std::string_view text);
  [[nodiscard]] Error silence(const char* what) const;

  ByteStream& stream_;
  const AtOptions& options_;
  std::array<std::byte, 4096> input_{};
  std::size_t input_begin_ = 0;
  std::size_t input_end_ = 0;
  std::optional<bool> echoes_;
  bool in_step_ = false;
  bool aborting_ = false;
  bool typed_blind_ = false;
  std::size_t typed_ = 0;          // characters that may stand in the board's line without a CR
  std::uint64_t command_in_ = 0;   // bytes since the command began
  std::uint64_t command_odd_ = 0;  // of them not text
  std::string stray_;
  AtStats stats_;
};

}  // namespace tml::serial
