// SPDX-License-Identifier: Apache-2.0
#include "common/cli/reporter.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "common/base/clock.hpp"
#include "common/base/json.hpp"
#include "common/base/log.hpp"

namespace tml::cli {
namespace {

constexpr std::int64_t kRedrawMs = 100;

std::int64_t now_ms() { return std::chrono::duration_cast<Millis>(system_clock().steady()).count(); }

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 80;
}

}  // namespace

bool color_wanted() { return ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr; }

std::string human_size(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1000.0 && unit + 1 < std::size(kUnits)) {
    value /= 1000.0;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

Reporter::Reporter(Options options) : options_(std::move(options)), tty_(::isatty(STDERR_FILENO) == 1) {}

Reporter::~Reporter() { progress_done(); }

void Reporter::write_json(const nlohmann::json& line) {
  std::printf("%s\n", log_redacted(json_text(line)).c_str());
  std::fflush(stdout);
}

void Reporter::clear_bar() {
  if (bar_shown_) std::fputs("\r\033[K", stderr);
  bar_shown_ = false;
}

void Reporter::event(std::string_view name, const nlohmann::json& fields, std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (options_.json) {
    nlohmann::json line = fields.is_object() ? fields : nlohmann::json::object();
    line["event"] = std::string(name);
    write_json(line);
  } else if (!text.empty() && !options_.quiet) {
    clear_bar();
    std::printf("%s\n", log_redacted(text).c_str());
    std::fflush(stdout);
  }
}

void Reporter::text(std::string_view line) {
  if (options_.json || options_.quiet) return;
  const std::lock_guard lock(mutex_);
  clear_bar();
  std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
  std::fflush(stdout);
}

ExitCode Reporter::error(const Error& error) {
  const std::lock_guard lock(mutex_);
  const ExitCode exit_code = exit_code_for(error.code);
  if (options_.json) {
    nlohmann::json line = {{"event", "error"},
                           {"code", std::string(errc_name(error.code))},
                           {"message", error.message()},
                           {"exit_code", static_cast<int>(exit_code)}};
    if (!error.where.empty()) line["where"] = error.where;
    if (!error.hint.empty()) line["hint"] = error.hint;
    write_json(line);
  }
  clear_bar();
  std::fprintf(stderr, "%s: %s\n", options_.tool.c_str(), log_redacted(error.message()).c_str());
  return exit_code;
}

void Reporter::warning(std::string_view message) {
  const std::lock_guard lock(mutex_);
  if (options_.json) write_json({{"event", "warning"}, {"message", std::string(message)}});
  clear_bar();
  if (!options_.quiet) std::fprintf(stderr, "%s: warning: %s\n", options_.tool.c_str(), log_redacted(message).c_str());
}

void Reporter::progress(std::string_view task, std::uint64_t done, std::uint64_t total, std::string_view unit,
                        std::string_view detail) {
  const std::lock_guard lock(mutex_);
  const std::int64_t now = now_ms();
  if (bar_task_ != task) {
    bar_task_ = std::string(task);
    bar_started_ms_ = now;
    bar_drawn_ms_ = 0;
  }
  if (now - bar_drawn_ms_ < kRedrawMs && done != total) return;
  bar_drawn_ms_ = now;
  if (options_.json) {
    nlohmann::json line = {{"event", "progress"}, {"task", bar_task_}, {"done", done}};
    if (total > 0) line["total"] = total;
    write_json(line);
    return;
  }
  // Asked again: a Screen may have taken the terminal meanwhile.
  if (!tty_ || options_.quiet || ::isatty(STDERR_FILENO) != 1) return;
  std::string tail;
  if (!detail.empty()) {
    tail = " " + std::string(detail);
  } else if (unit == "B") {
    const std::int64_t elapsed = std::max<std::int64_t>(now - bar_started_ms_, 1);
    tail = " " + human_size(done) + "  " + human_size(done * 1000 / static_cast<std::uint64_t>(elapsed)) + "/s";
  } else {
    tail = " " + std::to_string(done) + (total > 0 ? "/" + std::to_string(total) : "") +
           (unit.empty() ? "" : " " + std::string(unit));
  }
  std::string line = bar_task_ + " ";
  if (total > 0) {
    const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
    const std::size_t columns = terminal_columns();
    const std::size_t used = line.size() + tail.size() + 8;
    const std::size_t width = std::clamp<std::size_t>(columns > used ? columns - used : 10, 10, 40);
    const auto filled = static_cast<std::size_t>(share * static_cast<double>(width));
    line += "[" + std::string(filled, '#') + std::string(width - filled, ' ') + "]";
    char percent[8];
    std::snprintf(percent, sizeof percent, "%4.0f%%", share * 100.0);
    line += percent;
  }
  std::fprintf(stderr, "\r\033[K%s%s", line.c_str(), tail.c_str());
  std::fflush(stderr);
  bar_shown_ = true;
}

void Reporter::progress_done() {
  const std::lock_guard lock(mutex_);
  clear_bar();
  bar_task_.clear();
}

}  // namespace tml::cli
