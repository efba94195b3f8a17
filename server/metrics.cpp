// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "server/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace tml::server {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Histogram;

struct Metrics::Impl {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      BuildCounter().Name("tml_http_requests_total").Help("Requests answered").Register(registry);
  prometheus::Family<prometheus::Counter>& bytes =
      BuildCounter().Name("tml_http_body_bytes_total").Help("Body bytes received and sent").Register(registry);
  prometheus::Family<Histogram>& latency = BuildHistogram()
                                               .Name("tml_http_request_seconds")
                                               .Help("From the first byte of a request to its answer")
                                               .Register(registry);
  prometheus::Family<prometheus::Counter>& samples = BuildCounter()
                                                         .Name("tml_samples_stored_total")
                                                         .Help("Samples committed, by the state of their signature")
                                                         .Register(registry);
  prometheus::Family<prometheus::Counter>& not_stored = BuildCounter()
                                                            .Name("tml_samples_not_stored_total")
                                                            .Help("Samples received and not stored, by reason")
                                                            .Register(registry);
  prometheus::Counter& sample_bytes =
      BuildCounter().Name("tml_sample_bytes_total").Help("Bytes of committed samples").Register(registry).Add({});
  Histogram& batches = BuildHistogram()
                           .Name("tml_commit_operations")
                           .Help("Operations that shared one commit")
                           .Register(registry)
                           .Add({}, Histogram::BucketBoundaries{1, 2, 4, 8, 16, 32, 64, 128, 256, 512});
  prometheus::Family<prometheus::Gauge>& queues =
      BuildGauge().Name("tml_queue_depth").Help("Work that waits").Register(registry);
  prometheus::Gauge& websockets =
      BuildGauge().Name("tml_websocket_clients").Help("Open WebSockets").Register(registry).Add({});
  prometheus::Gauge& connections =
      BuildGauge().Name("tml_connections").Help("Open connections of every kind").Register(registry).Add({});
  prometheus::Gauge& write_queue = queues.Add({{"queue", "database"}});
  prometheus::Gauge& work_queue = queues.Add({{"queue", "workers"}});
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::request(std::string_view listener, unsigned status, std::chrono::nanoseconds duration,
                      std::size_t bytes_in, std::size_t bytes_out) {
  const std::string name(listener);
  impl_->requests.Add({{"listener", name}, {"status", std::to_string(status)}}).Increment();
  impl_->bytes.Add({{"listener", name}, {"direction", "in"}}).Increment(static_cast<double>(bytes_in));
  impl_->bytes.Add({{"listener", name}, {"direction", "out"}}).Increment(static_cast<double>(bytes_out));
  static const Histogram::BucketBoundaries kSeconds{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
                                                    0.05,   0.1,   0.25,  0.5,   1,    5};
  impl_->latency.Add({{"listener", name}}, kSeconds).Observe(std::chrono::duration<double>(duration).count());
}

void Metrics::sample_stored(std::string_view signature, std::size_t bytes) {
  impl_->samples.Add({{"signature", std::string(signature)}}).Increment();
  impl_->sample_bytes.Increment(static_cast<double>(bytes));
}

void Metrics::sample_not_stored(std::string_view reason) {
  impl_->not_stored.Add({{"reason", std::string(reason)}}).Increment();
}

void Metrics::batch(std::size_t operations) { impl_->batches.Observe(static_cast<double>(operations)); }

std::string Metrics::text(const Gauges& gauges) {
  impl_->websockets.Set(static_cast<double>(gauges.websocket_clients));
  impl_->connections.Set(static_cast<double>(gauges.connections));
  impl_->write_queue.Set(static_cast<double>(gauges.write_queue));
  impl_->work_queue.Set(static_cast<double>(gauges.work_queue));
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace tml::server
