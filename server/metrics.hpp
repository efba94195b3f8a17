// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Counters for operators, in the Prometheus text format (docs/server.md lists the names). Thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace tml::server {

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// `listener`: "api", "ws" or "ingestion".
  void request(std::string_view listener, unsigned status, std::chrono::nanoseconds duration, std::size_t bytes_in,
               std::size_t bytes_out);
  /// `signature`: sample::verification_name.
  void sample_stored(std::string_view signature, std::size_t bytes);
  /// `reason`: "replayed", "duplicate", "envelope_conflict", "refused".
  void sample_not_stored(std::string_view reason);
  void batch(std::size_t operations);
  struct Gauges {
    std::size_t websocket_clients = 0;
    std::size_t connections = 0;
    std::size_t write_queue = 0;
    std::size_t work_queue = 0;
  };
  [[nodiscard]] std::string text(const Gauges& gauges);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tml::server
