// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "forwarder/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <boost/asio/post.hpp>
#include <charconv>
#include <vector>

#include "common/httpd/server.hpp"

namespace tml::forwarder {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Stations = std::span<const StationStatus* const>;

ClientMetric metric_of(const StationStatus& station, MetricType type, double value) {
  ClientMetric metric;
  metric.label.push_back({"input", station.name});
  metric.label.push_back({"device", station.device});
  if (type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return metric;
}

/// One metric per station.
template <class Value>
MetricFamily family(Stations stations, const char* name, const char* help, MetricType type, Value value) {
  MetricFamily result;
  result.name = name;
  result.help = help;
  result.type = type;
  for (const StationStatus* station : stations) {
    result.metric.push_back(metric_of(*station, type, static_cast<double>(value(*station))));
  }
  return result;
}

}  // namespace

std::string metrics_text(Stations stations) {
  constexpr MetricType kCounter = MetricType::Counter;
  constexpr MetricType kGauge = MetricType::Gauge;
  using S = StationStatus;
  std::vector<MetricFamily> all;
  const auto count = [&](const char* name, const char* help, std::uint64_t S::*member) {
    all.push_back(family(stations, name, help, kCounter, [member](const S& s) { return s.*member; }));
  };
  count("tml_forwarder_readings_total", "Readings received", &S::readings);
  count("tml_forwarder_missing_readings_total", "Readings that the board took and that did not arrive", &S::missing);
  count("tml_forwarder_bad_lines_total", "Damaged lines or frames", &S::bad_lines);
  count("tml_forwarder_board_drops_total", "Readings that the board itself says it dropped", &S::board_drops);
  count("tml_forwarder_reboots_total", "Restarts of the board within the stream", &S::reboots);
  count("tml_forwarder_bytes_total", "Bytes read from the input", &S::bytes);
  count("tml_forwarder_samples_total", "Samples committed to the spool", &S::samples);
  count("tml_forwarder_samples_refused_total", "Samples cut and not stored", &S::samples_refused);
  count("tml_forwarder_windows_dropped_total", "Windows that nobody could take in time", &S::windows_dropped);
  all.push_back(family(stations, "tml_forwarder_rate_hz", "Readings per second, stated or fitted; 0 = not known yet",
                       kGauge, [](const S& s) { return s.rate_hz; }));
  all.push_back(family(stations, "tml_forwarder_rate_error_ratio", "Error of the fitted rate, relative", kGauge,
                       [](const S& s) { return s.rate_error_ppm * 1e-6; }));
  all.push_back(family(stations, "tml_forwarder_up", "1 while readings are understood", kGauge, [](const S& s) {
    return s.state == StationState::streaming || s.state == StationState::sampling ? 1 : 0;
  }));
  all.push_back(family(stations, "tml_forwarder_remote_connected", "1 while the server can ask for samples", kGauge,
                       [](const S& s) { return s.remote == RemoteState::connected ? 1 : 0; }));
  MetricFamily spool;
  spool.name = "tml_forwarder_spool_waiting";
  spool.help = "Samples in the spool that wait for delivery";
  spool.type = kGauge;
  ClientMetric depth;
  depth.gauge.value = stations.empty() ? 0 : static_cast<double>(stations.front()->spool_waiting);
  spool.metric.push_back(depth);
  all.push_back(std::move(spool));
  return prometheus::TextSerializer().Serialize(all);
}

Result<MetricsAddress> parse_metrics_address(std::string_view text) {
  MetricsAddress parsed;
  std::string_view port = text;
  if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    std::string_view address = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
      address = address.substr(1, address.size() - 2);
    } else if (address.find(':') != std::string_view::npos) {
      address = {};
    }
    parsed.address = std::string(address);
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
  if (error != std::errc{} || end != port.data() + port.size() || parsed.address.empty()) {
    return fail(Errc::usage, "\"" + std::string(text) + "\" is no address", "--metrics",
                "Give PORT, ADDRESS:PORT or [ADDRESS]:PORT");
  }
  return parsed;
}

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(boost::asio::any_io_executor executor,
                                                            const MetricsAddress& address,
                                                            std::function<std::string()> text) {
  std::unique_ptr<MetricsServer> metrics(new MetricsServer);
  httpd::Options options;
  options.max_connections = 16;
  options.stop_grace = Millis{0};
  metrics->server_ = httpd::Server::create(std::move(options));
  httpd::Listen listen;
  listen.address = address.address;
  listen.port = address.port;
  listen.handlers.request = [executor, text = std::move(text)](httpd::Request request, httpd::Responder responder) {
    if (request.path != "/metrics") {
      responder.send(httpd::Response::text(404, "Nothing here but /metrics\n"));
    } else if (request.method != "GET" && request.method != "HEAD") {
      responder.send(httpd::Response::text(405, "GET, please\n"));
    } else {
      boost::asio::post(executor, [text, responder = std::move(responder)] {
        httpd::Response response = httpd::Response::text(200, text());
        response.content_type = "text/plain; version=0.0.4; charset=utf-8";
        responder.send(std::move(response));
      });
    }
  };
  auto port = metrics->server_->listen(std::move(listen));
  if (!port) {
    Error error = port.error();
    error.what = "--metrics: " + error.what;
    return pass(std::move(error));
  }
  metrics->port_ = *port;
  metrics->thread_ = std::thread([server = metrics->server_.get()] { server->run(); });
  return metrics;
}

MetricsServer::~MetricsServer() {
  if (!server_) return;
  server_->stop();
  if (thread_.joinable()) thread_.join();
}

}  // namespace tml::forwarder
