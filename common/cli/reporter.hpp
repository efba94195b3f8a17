// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The one place that writes to a terminal. Libraries return values and events; a tool hands them to a Reporter, which
// prints text and progress bars for people, or JSON lines ({"event": NAME, ...}) for programs. Thread-safe.
//
// Standard output carries results (and all JSON lines), standard error carries progress and errors. A bar is drawn on a
// TTY only; elsewhere progress is silent in text mode. NO_COLOR is honoured.
#pragma once

#include <cstdint>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "common/base/error.hpp"
#include "common/base/exit_code.hpp"

namespace tml::cli {

class Reporter {
 public:
  struct Options {
    std::string tool;  ///< Prefix of error lines: "tml-daemon".
    bool json = false;
    bool quiet = false;
    bool color = false;
  };
  explicit Reporter(Options options);
  ~Reporter();
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  [[nodiscard]] bool json() const { return options_.json; }

  /// JSON mode: {"event": name, ...fields}. Text mode: prints `text` on standard output unless it is empty or --quiet
  /// is on.
  void event(std::string_view name, const nlohmann::json& fields, std::string_view text = {});
  /// Text only (a table, a heading); nothing in JSON mode.
  void text(std::string_view line);
  /// The error that ends or mars the run, on standard error and as {"event":"error", code, message, ...}. Returns its
  /// exit code.
  ExitCode error(const Error& error);
  /// A warning on standard error and as {"event":"warning"}.
  void warning(std::string_view message);

  /// Progress of one task. `total` 0 = unknown. Redraws at most every 100 ms; `unit` "B" prints sizes and a rate;
  /// `detail` goes behind the bar instead of what the unit would put there.
  void progress(std::string_view task, std::uint64_t done, std::uint64_t total, std::string_view unit = {},
                std::string_view detail = {});
  /// Removes the bar (call before a result, or when the task ends).
  void progress_done();

 private:
  void write_json(const nlohmann::json& line);
  void clear_bar();

  Options options_;
  std::mutex mutex_;
  bool tty_;
  bool bar_shown_ = false;
  std::string bar_task_;
  std::int64_t bar_started_ms_ = 0;
  std::int64_t bar_drawn_ms_ = 0;
};

/// True when standard output is a TTY and NO_COLOR is unset.
[[nodiscard]] bool color_wanted();

/// "1.2 MB", "512 B".
[[nodiscard]] std::string human_size(std::uint64_t bytes);

}  // namespace tml::cli
