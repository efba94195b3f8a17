// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// `--metrics`: the stations' counters in the Prometheus text format (docs/tml-forwarder.md, "Metrics", lists the
// names). metrics_text() is pure; MetricsServer answers GET /metrics.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "common/base/error.hpp"
#include "forwarder/status.hpp"

namespace tml::httpd {
class Server;
}

namespace tml::forwarder {

[[nodiscard]] std::string metrics_text(std::span<const StationStatus* const> stations);

struct MetricsAddress {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0 = any free one.
};
/// "9464", "0.0.0.0:9464", "[::1]:9464". Errc::usage naming --metrics.
[[nodiscard]] Result<MetricsAddress> parse_metrics_address(std::string_view text);

/// Has a thread of its own for the connections. The executor's loop outlives it.
class MetricsServer {
 public:
  /// `text` is called on the executor. Errc::busy when the port is in use; errors name --metrics.
  [[nodiscard]] static Result<std::unique_ptr<MetricsServer>> start(boost::asio::any_io_executor executor,
                                                                    const MetricsAddress& address,
                                                                    std::function<std::string()> text);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  MetricsServer() = default;

  std::unique_ptr<httpd::Server> server_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace tml::forwarder
