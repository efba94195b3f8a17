// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What the parts of a running server share. Built by serve.cpp; outlives every request.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/base/clock.hpp"
#include "common/base/random.hpp"
#include "common/httpd/server.hpp"
#include "server/blobs.hpp"
#include "server/keyring.hpp"
#include "server/metrics.hpp"
#include "server/remote.hpp"
#include "server/workers.hpp"
#include "server/writer.hpp"

namespace tml::server {

/// Slows down password guessing: after kMaxFailures wrong passwords for a name or from an address within a minute,
/// further tries are refused unseen until the minute is over. Loop thread only.
class LoginLimiter {
 public:
  static constexpr int kMaxFailures = 5;
  static constexpr std::chrono::minutes kWindow{1};
  [[nodiscard]] bool allowed(const std::string& key, std::chrono::nanoseconds now);
  void failed(const std::string& key, std::chrono::nanoseconds now);

 private:
  struct Entry {
    int failures = 0;
    std::chrono::nanoseconds first{0};
  };
  std::map<std::string, Entry> entries_;
};

struct App {
  App(const Clock& clock_given, Random& random_given, const std::filesystem::path& data)
      : clock(clock_given), random(random_given), blobs(data / "blobs") {}

  const Clock& clock;
  Random& random;  ///< Thread-safe.
  Blobs blobs;
  bool strict = false;
  KeyringHolder keyring;
  std::atomic<bool> waiting_for_samples{false};  ///< A request could be tied to the next stored sample.
  Metrics metrics;
  LoginLimiter logins;
  std::unique_ptr<httpd::Server> server;
  std::unique_ptr<Remote> remote;  ///< Loop thread only.
  std::unique_ptr<Workers> workers;
  std::unique_ptr<Writer> writer;  ///< Ends first: its callbacks use the rest.

  /// A write whose effect on keys every request shall see. `run` as in WriteOperation; `done` runs on the loop thread.
  [[nodiscard]] bool write_keys(std::function<Result<void>(Database&)> run,
                                std::function<void(const Result<void>&)> done);
  /// Creates or refreshes a device record; `done` runs on the loop thread. The name is kept if there is one.
  void save_device(DeviceRecord record, std::function<void(bool)> done);
};

/// The three sets of handlers.
[[nodiscard]] httpd::Handlers make_api_handlers(App& app);
[[nodiscard]] httpd::Handlers make_remote_handlers(App& app);
[[nodiscard]] httpd::Handlers make_ingestion_handlers(App& app);

/// "2026-11-21T01:02:03.004Z"
[[nodiscard]] std::string iso_time(std::int64_t unix_ms);

}  // namespace tml::server
