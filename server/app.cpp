// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/app.hpp"

#include <array>
#include <cstdio>
#include <ctime>

#include "common/base/log.hpp"

namespace tml::server {

bool LoginLimiter::allowed(const std::string& key, std::chrono::nanoseconds now) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return true;
  if (now - found->second.first > kWindow) {
    entries_.erase(found);
    return true;
  }
  return found->second.failures < kMaxFailures;
}

void LoginLimiter::failed(const std::string& key, std::chrono::nanoseconds now) {
  constexpr std::size_t kMaxEntries = 10'000;
  if (entries_.size() >= kMaxEntries) {
    for (auto at = entries_.begin(); at != entries_.end();)
      at = now - at->second.first > kWindow ? entries_.erase(at) : std::next(at);
    // All fresh: somebody tries many names. Forgetting them is the lesser evil beside unbounded memory; the address
    // stays limited.
    if (entries_.size() >= kMaxEntries) entries_.clear();
  }
  Entry& entry = entries_[key];
  if (entry.failures == 0) entry.first = now;
  ++entry.failures;
}

bool App::write_keys(std::function<Result<void>(Database&)> run, std::function<void(const Result<void>&)> done) {
  auto db = std::make_shared<Database*>(nullptr);
  WriteOperation operation;
  operation.run = [run = std::move(run), db](Database& writable) {
    *db = &writable;
    return run(writable);
  };
  operation.done = [this, db, done = std::move(done)](const Result<void>& outcome) {
    if (outcome && *db != nullptr) {
      if (auto ring = Keyring::load(**db)) keyring.set(std::move(*ring));
    }
    server->post([done, outcome]() { done(outcome); });
  };
  return writer->submit(std::move(operation));
}

namespace {

/// What a new device is called until somebody names it. Never its bare id: the incumbent's clients take that for
/// nameless and stop to ask for a name (wire reference 2.3, 1.16).
std::string first_name(const DeviceRecord& record) {
  if (!record.name.empty() && record.name != record.device_id) return record.name;
  constexpr std::size_t kTail = 8;
  const std::size_t from = record.device_id.size() > kTail ? record.device_id.size() - kTail : 0;
  return (record.type.empty() ? "Device" : record.type) + " " + record.device_id.substr(from);
}

}  // namespace

void App::save_device(DeviceRecord record, std::function<void(bool)> done) {
  record.name = first_name(record);
  auto shared = std::make_shared<DeviceRecord>(std::move(record));
  WriteOperation operation;
  operation.run = [this, shared](Database& db) {
    const std::int64_t now = clock.unix_ms();
    return db
        .query(
            "INSERT INTO devices(project_id, device_id, name, type, created_ms, last_seen_ms, sensors, snapshots) "
            "VALUES(?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET last_seen_ms = ?5, "
            "type = CASE WHEN ?4 = '' THEN type ELSE ?4 END, sensors = CASE WHEN ?6 = '[]' THEN sensors ELSE ?6 END, "
            "snapshots = CASE WHEN ?6 = '[]' AND ?7 = 0 THEN snapshots ELSE ?7 END")
        .bind(1, shared->project)
        .bind(2, std::string_view(shared->device_id))
        .bind(3, std::string_view(shared->name))
        .bind(4, std::string_view(shared->type))
        .bind(5, now)
        .bind(6, std::string_view(shared->sensors_json))
        .bind(7, std::int64_t{shared->snapshots ? 1 : 0})
        .run();
  };
  operation.done = [this, done](const Result<void>& outcome) {
    if (!outcome) log_error("device not stored: " + outcome.error().message());
    const bool stored = outcome.has_value();
    server->post([done, stored]() { done(stored); });
  };
  if (!writer->submit(std::move(operation))) done(false);
}

std::string iso_time(std::int64_t unix_ms) {
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900, parts.tm_mon + 1,
                parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, static_cast<int>(unix_ms % 1000));
  return text.data();
}

}  // namespace tml::server
