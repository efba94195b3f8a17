// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Logging for operators: one line per event on standard error (standard output belongs to results). Libraries return
// errors; only the place where an error stops logs it. Thread-safe after log_init.
//
// Secrets: whatever is registered with log_secret() is replaced by "***" in every line, so that a key cannot reach a
// log by accident.
#pragma once

#include <string>
#include <string_view>

namespace tml {

enum class LogLevel { debug, info, warning, error, off };

/// Call once, first thing in main. `json_lines` writes {"time","level","message"} objects in place of text.
void log_init(LogLevel level, bool json_lines);

/// From now on `secret` (8 characters or more; shorter ones would blot out ordinary text) never appears in a log line.
void log_secret(std::string_view secret);

/// `text` with every registered secret replaced.
[[nodiscard]] std::string log_redacted(std::string_view text);

void log_line(LogLevel level, std::string_view message);
inline void log_debug(std::string_view message) { log_line(LogLevel::debug, message); }
inline void log_info(std::string_view message) { log_line(LogLevel::info, message); }
inline void log_warning(std::string_view message) { log_line(LogLevel::warning, message); }
inline void log_error(std::string_view message) { log_line(LogLevel::error, message); }

}  // namespace tml
