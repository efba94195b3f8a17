// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The host end of the AT protocol without any I/O: building commands that cannot inject others, deciding about the
// transfer rate, and reading what answers say. Scanning the byte stream of an answer is in response_scanner.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <tl/expected.hpp>

#include "common/wire/at.hpp"
#include "common/wire/at_version.hpp"

namespace tml::wire {

// --- Commands
// ---------------------------------------------------------------------------------------------------------------------

/// Why a value may not be sent inside a command line.
enum class ValueRule : std::uint8_t {
  carriage_return,    ///< would end the command and start another
  line_feed,          ///< dropped by the board's editor
  comma,              ///< would split the argument
  prompt,             ///< "> " in an echo or answer looks like the end of the answer
  control_character,  ///< below 0x20 or 0x7F: dropped, or edits the line
  not_ascii,          ///< above 0x7E: dropped by the board's editor
  trailing_blank,     ///< stripped by the board at the end of the line
  too_long,           ///< the command does not fit the longest line
  bad_number,         ///< a number that is not finite or too large to print
};

struct ValueFault {
  ValueRule rule = ValueRule::too_long;
  std::size_t argument = 0;  ///< 0-based number of the argument
  std::size_t position = 0;  ///< byte inside the argument
};

/// For messages: "contains a comma, which would split the argument" and so on.
[[nodiscard]] std::string_view value_rule_text(ValueRule rule);

/// The first rule that `value` breaks, or nothing. `position` is set, `argument` is 0. Blanks at the end are judged
/// only by the builder, since they matter only in the last argument.
[[nodiscard]] std::optional<ValueFault> check_at_value(std::string_view value);

/// Builds "AT+NAME", "AT+NAME?" or "AT+NAME=a,b". The first fault sticks and comes out of line().
class AtCommandBuilder {
 public:
  static constexpr std::size_t kMaxLine = 1024;

  /// `name` without "AT+", for example "SAMPLESTART".
  explicit AtCommandBuilder(std::string_view name);
  AtCommandBuilder& read();
  AtCommandBuilder& arg(std::string_view value);
  AtCommandBuilder& arg(std::uint64_t value);
  /// Shortest decimal form with at most `decimals` digits after the point ("10", "0.0625").
  AtCommandBuilder& arg_decimal(double value, unsigned decimals = 6);
  /// The line without CR; valid as long as the builder.
  [[nodiscard]] tl::expected<std::string_view, ValueFault> line() const;

 private:
  void append(std::string_view text);
  void begin_argument();
  void fault(ValueRule rule, std::size_t position);

  std::array<char, kMaxLine> line_{};
  std::size_t size_ = 0;
  std::size_t arguments_ = 0;
  std::optional<ValueFault> fault_;
};

// --- Transfer rate (wire reference 1.8)
// -------------------------------------------------------------------------------------------

/// Commands whose answer may come at the faster rate.
enum class TransferKind : std::uint8_t { read_buffer_or_file, snapshot, snapshot_stream, run_impulse_debug };

struct TransferPlan {
  bool switch_rate = false;  ///< use the board's transfer rate for the answer
  char argument = 0;         ///< 'y' or 'n' to append, 0 for nothing
  bool waits_for_ok =
      true;  ///< with switch_rate: wait for CR LF OK before switching (RUNIMPULSEDEBUG switches at once)
};

/// `transfer_baud` as the board advertises it, 0 when it does not.
[[nodiscard]] TransferPlan plan_transfer(AtVersion version, std::uint32_t transfer_baud, TransferKind kind);

/// Appends ",y" or ",n" by the ecosystem's rule: without '=' in the command the first ',' becomes '='; "=," becomes
/// "=". Number of characters in `out`, or Errc::overflow.
[[nodiscard]] Result<std::size_t> append_transfer_argument(std::string_view command, char argument,
                                                           std::span<char> out);

// --- Answers
// ----------------------------------------------------------------------------------------------------------------------

/// How an answer is to be taken. Views point into the text.
struct ReplyVerdict {
  bool ok = false;              ///< contains "OK" in a line of its own or at a line's end, and no error
  std::string_view error_line;  ///< the first line that is an error text, empty when there is none
};

/// Knows "ERR:", "Not a valid AT command", "Command not found!", "No handler for", "Failed to ", "Missing argument",
/// "ERROR", "Error ", "could not be unlinked", "does not exist" and "AT+NACK".
[[nodiscard]] ReplyVerdict judge_reply(std::string_view body);

struct UsedBuffer {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
};

/// What the answer to AT+SAMPLESTART says once it is complete (wire reference 1.9). Views point into the text.
struct SamplingReport {
  std::string_view error_line;       ///< the line with "ERR:" or another refusal; then nothing else counts
  std::string_view file_name;        ///< empty when there is no "File name:" line
  bool device_uploads = false;       ///< the board sent the sample itself
  std::optional<UsedBuffer> buffer;  ///< read it with READBUFFER; else with READFILE
};
[[nodiscard]] SamplingReport parse_sampling_report(std::string_view body);

}  // namespace tml::wire
