// SPDX-License-Identifier: Apache-2.0
#include "forwarder/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "common/base/sync.hpp"
#include "common/http/client.hpp"
#include "tests/support/run_on.hpp"

namespace tml::forwarder {
namespace {

using ::testing::HasSubstr;

StationStatus some_station() {
  StationStatus station;
  station.name = "/dev/tty\"A\\";
  station.device = "14:91";
  station.state = StationState::sampling;
  station.readings = 1234;
  station.missing = 5;
  station.rate_hz = 62.5;
  station.spool_waiting = 3;
  return station;
}

TEST(MetricsText, CountersPerStation) {
  const StationStatus station = some_station();
  StationStatus other;
  other.name = "-";
  const std::array<const StationStatus*, 2> both{&station, &other};
  const std::string text = metrics_text(both);
  EXPECT_THAT(text, HasSubstr("# TYPE tml_forwarder_readings_total counter"));
  EXPECT_THAT(text, HasSubstr("tml_forwarder_readings_total{input=\"/dev/tty\\\"A\\\\\",device=\"14:91\"} 1234\n"));
  EXPECT_THAT(text, HasSubstr("tml_forwarder_readings_total{input=\"-\",device=\"\"} 0\n"));
  EXPECT_THAT(text,
              HasSubstr("tml_forwarder_missing_readings_total{input=\"/dev/tty\\\"A\\\\\",device=\"14:91\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("tml_forwarder_rate_hz{input=\"/dev/tty\\\"A\\\\\",device=\"14:91\"} 62.5\n"));
  EXPECT_THAT(text, HasSubstr("tml_forwarder_up{input=\"-\",device=\"\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\ntml_forwarder_spool_waiting 3\n"));
}

TEST(MetricsAddress, Forms) {
  EXPECT_EQ(parse_metrics_address("9464")->port, 9464);
  EXPECT_EQ(parse_metrics_address("9464")->address, "127.0.0.1");
  EXPECT_EQ(parse_metrics_address("0.0.0.0:80")->address, "0.0.0.0");
  EXPECT_EQ(parse_metrics_address("[::1]:80")->address, "::1");
  for (const char* bad : {"", "x", "70000", "1.2.3.4:", ":80", "::1:80", "80 ", "-1"}) {
    const auto parsed = parse_metrics_address(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Errc::usage);
    EXPECT_THAT(parsed.error().message(), HasSubstr("--metrics"));
  }
}

Awaitable<Result<http::Response>> get(http::Client& client, std::string url) {
  http::Request request;
  request.url = std::move(url);
  co_return co_await client.send(std::move(request));
}

TEST(MetricsServer, AnswersOnItsOwnPathOnly) {
  boost::asio::io_context io;
  auto server = MetricsServer::start(io.get_executor(), {}, [] { return std::string("a 1\n"); });
  ASSERT_TRUE(server) << server.error().message();
  http::Client client;
  const std::string base = "http://127.0.0.1:" + std::to_string((*server)->port());
  auto answer = test::run_on(io, get(client, base + "/metrics"));
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "a 1\n");
  answer = test::run_on(io, get(client, base + "/"));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
  const auto second = MetricsServer::start(io.get_executor(), {"127.0.0.1", (*server)->port()}, nullptr);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::busy);
  EXPECT_THAT(second.error().message(), HasSubstr("--metrics"));
}

}  // namespace
}  // namespace tml::forwarder
