// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The device end of the AT protocol (wire reference 1.2): parsing one line, and the texts both ends agree on. The line
// editor is in line_editor.hpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <tl/expected.hpp>

#include "common/wire/bytes.hpp"

namespace tml::wire {

inline constexpr std::string_view kPrompt = "> ";
inline constexpr std::uint32_t kDefaultBaud = 115200;
inline constexpr std::size_t kMaxAtArguments = 10;

/// Texts that hosts look for while a board samples (wire reference 1.9).
inline constexpr std::string_view kTextSampling = "Sampling...";
inline constexpr std::string_view kTextDoneSampling = "Done sampling";
inline constexpr std::string_view kTextProcessing = "Processing...";
inline constexpr std::string_view kTextDoneProcessing = "Done processing";
inline constexpr std::string_view kTextUploading = "Uploading...";

enum class AtForm : std::uint8_t { run, read, write };

/// One command. All views point into the line that was parsed.
struct AtRequest {
  std::string_view name;  ///< without "AT+", as typed: names are case-sensitive
  AtForm form = AtForm::run;
  std::array<std::string_view, kMaxAtArguments> args{};
  std::size_t arg_count = 0;
  std::string_view line;  ///< the stripped line, for error texts

  /// Argument `index`, or empty when there are fewer.
  [[nodiscard]] std::string_view arg(std::size_t index) const {
    return index < arg_count ? args[index] : std::string_view{};
  }
  [[nodiscard]] std::span<const std::string_view> arguments() const { return std::span(args).first(arg_count); }
};

enum class AtRefusal : std::uint8_t {
  not_at,              ///< does not start with "AT+" (an empty line included)
  unknown_command,     ///< no such name
  no_handler,          ///< the name exists, but not in this form
  too_many_arguments,  ///< more than kMaxAtArguments
  line_too_long,       ///< the editor had to drop characters
};

/// Newer generation's rules: blanks in front and blanks, CR, LF behind are stripped; the name ends at the first '?' or
/// '='; write arguments are split at every ',' without quoting, empty ones kept ("AT+X=" has one empty argument). Fails
/// with not_at or too_many_arguments only; the others are the command table's to say.
[[nodiscard]] tl::expected<AtRequest, AtRefusal> parse_at_line(std::string_view line);

/// The text for a refusal with its line end, e.g. "Not a valid AT command (x)\r\n". `line` is what was typed; for
/// unknown_command the name is cut out of it. A "> " in the line is written as ">_": a prompt inside an answer would
/// end it.
void write_at_refusal(AtRefusal refusal, std::string_view line, TextSink out);

/// Writes `text` with every blank that follows a '>' replaced by '_' (see above).
void write_without_prompt(std::string_view text, TextSink out);

}  // namespace tml::wire
