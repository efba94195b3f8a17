// SPDX-License-Identifier: Apache-2.0
#include "common/base/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <mutex>
#include <vector>

#include "common/base/json.hpp"

namespace tml {
namespace {

struct LogState {
  std::mutex mutex;
  std::vector<std::string> secrets;
  std::shared_ptr<spdlog::logger> logger;
  bool json_lines = false;
};

// Logging is the one process-wide service: main sets it up, everything may write.
LogState& state() {
  static LogState instance;
  return instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

std::string redact(std::string text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets) {
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3)) {
      text.replace(at, secret.size(), "***");
    }
  }
  return text;
}

}  // namespace

void log_init(LogLevel level, bool json_lines) {
  LogState& log = state();
  const std::lock_guard lock(log.mutex);
  log.json_lines = json_lines;
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  log.logger = std::make_shared<spdlog::logger>("tml", std::move(sink));
  log.logger->set_level(to_spdlog(level));
  log.logger->set_pattern(json_lines ? "%v" : "%H:%M:%S.%e %^%l%$ %v");
}

void log_secret(std::string_view secret) {
  constexpr std::size_t kShortest = 8;
  if (secret.size() < kShortest) return;
  LogState& log = state();
  const std::lock_guard lock(log.mutex);
  for (const std::string& known : log.secrets) {
    if (known == secret) return;
  }
  log.secrets.emplace_back(secret);
}

std::string log_redacted(std::string_view text) {
  LogState& log = state();
  const std::lock_guard lock(log.mutex);
  return redact(std::string(text), log.secrets);
}

void log_line(LogLevel level, std::string_view message) {
  LogState& log = state();
  std::shared_ptr<spdlog::logger> logger;
  bool json_lines = false;
  std::string text;
  {
    const std::lock_guard lock(log.mutex);
    logger = log.logger;
    if (!logger || !logger->should_log(to_spdlog(level))) return;
    text = redact(std::string(message), log.secrets);
    json_lines = log.json_lines;
  }
  if (json_lines) {
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
    const auto name = spdlog::level::to_string_view(to_spdlog(level));
    Json line = {{"time", now.count()}, {"level", std::string(name.data(), name.size())}, {"message", text}};
    text = json_text(line);
  }
  logger->log(to_spdlog(level), "{}", text);
}

}  // namespace tml
