// SPDX-License-Identifier: Apache-2.0
#include "forwarder/remote_session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/json.hpp"
#include "common/base/random.hpp"
#include "tests/support/fake_socket.hpp"

namespace tml::forwarder {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string cbor(const Json& value) {
  std::string bytes;
  Json::to_cbor(value, bytes);
  return bytes;
}

TEST(SensorName, OfTheReference) { EXPECT_EQ(sensor_name({"accX", "b"}), "Sensor with 2 axes (accX, b)"); }

TEST(AnnouncedRate, FewestDigitsWithinTheError) {
  EXPECT_EQ(announced_rate(99.987, 0), 100);
  EXPECT_EQ(announced_rate(62.4987, 0), 62.5);
  EXPECT_EQ(announced_rate(104.2, 0), 104.2);
  EXPECT_EQ(announced_rate(1666.4, 0), 1666);
  EXPECT_EQ(announced_rate(0.1, 0), 0.1);
  EXPECT_EQ(announced_rate(97, 0.05), 100);
}

TEST(MaxSampleLength, IsWhatMemoryHolds) {
  EXPECT_EQ(max_sample_length_s(100, 3), 3600U);
  EXPECT_EQ(max_sample_length_s(20'000, 3), 104U);
  EXPECT_EQ(max_sample_length_s(1e9, 20), 1U);
}

/// A server in memory, a station that gives what the test tells it to.
class Session : public ::testing::Test {
 protected:
  Session() : clock(), taken(io.get_executor()) {
    facts.device = "14:91:31:40";
    facts.axes = {"accX", "accY"};
    facts.rate_hz = 99.98;
    project.id = "3";
    project.api_key = "ei_0123456789";
    project.hmac_key = "project-key";
    settings.input = "fake";
    settings.mgmt_url = "ws://h:4802";
    settings.lost_grace = Millis{0};
    settings.link.backoff = {Millis{0}, Millis{0}};
    settings.link.rejected = {Millis{0}, Millis{0}};
    greeting = Json{{"hello", true}};
  }
  void start() {
    SessionPort port;
    port.connect = [this](http::WebSocketOptions options) { return connect(std::move(options)); };
    port.take = [this](SampleOrder order, std::function<void(const TakeProgress&)> observer) {
      return take(std::move(order), std::move(observer));
    };
    port.receipt = [this](std::string envelope) { return receipt(std::move(envelope)); };
    port.api = [this] {
      auto send = [this](http::Request request) { return api_call(std::move(request)); };
      return remote::ApiClient("http://h:4800", std::move(send));
    };
    port.project = [this](const std::string&) { return project; };
    port.on_state = [this](RemoteState now) { state = now; };
    port.on_hopeless = [this](const Error& error) {
      hopeless.push_back(error);
      session->stop();
    };
    session = std::make_shared<RemoteSession>(io.get_executor(), clock, random, reporter, std::move(port), settings);
    session->on_ready(facts);
    io.poll();
  }
  void TearDown() override {
    if (!session) return;
    stored_or_error = fail(Errc::interrupted, "stopped");
    taken.set();
    session->stop();
    io.poll();
  }
  Awaitable<Result<std::unique_ptr<http::WebSocket>>> connect(http::WebSocketOptions) {
    if (++connections > 10) co_return fail(Errc::network, "too many connections");
    pipe = std::make_shared<test::Pipe>(io);
    pipe->say(cbor(greeting));
    co_return std::unique_ptr<http::WebSocket>(std::make_unique<test::FakeSocket>(pipe));
  }
  Awaitable<Result<Stored>> take(SampleOrder order, std::function<void(const TakeProgress&)> observer) {
    orders.push_back(std::move(order));
    watch = std::move(observer);
    taken.clear();
    co_await taken.wait();
    watch = nullptr;
    co_return stored_or_error;
  }
  Awaitable<tool::Outcome> receipt(std::string envelope) {
    receipts.push_back(std::move(envelope));
    co_return outcome;
  }
  Awaitable<Result<http::Response>> api_call(http::Request request) {
    calls.push_back(request.method + " " + request.url.substr(request.url.find("/v1")));
    http::Response response;
    response.status = 200;
    Json body{{"success", true}};
    if (request.method == "GET") body["device"] = Json{{"name", device_name}};
    if (request.url.ends_with("/rename"))
      device_name = json_string(*parse_json(request.body, "rename"), "name").value();
    response.body = body.dump();
    co_return response;
  }
  void ask(const char* label, const char* hmac_key = "") {
    pipe->say(cbor(Json{{"sample",
                         {{"label", label},
                          {"length", 2000},
                          {"interval", 10},
                          {"path", "/api/testing/data"},
                          {"hmacKey", hmac_key}}}}));
    io.poll();
  }
  void finish() {
    taken.set();
    io.poll();
  }
  void progress(double share) {
    TakeProgress now;
    now.step = TakeProgress::Step::sampling;
    now.share = share;
    watch(now);
    io.poll();
  }
  /// What was said since the last call, hello included, as compact JSON.
  std::vector<std::string> said() {
    std::vector<std::string> texts;
    for (const std::string& bytes : pipe->written) {
      const auto message = parse_cbor(bytes, "test");
      texts.push_back(message ? message->dump() : "not CBOR");
    }
    pipe->written.clear();
    return texts;
  }

  boost::asio::io_context io;
  ManualClock clock;
  SeededRandom random{7};
  cli::Reporter reporter{{"test", false, true, false}};
  SessionSettings settings;
  tool::ProjectFacts project;
  StreamFacts facts;
  std::shared_ptr<RemoteSession> session;
  std::shared_ptr<test::Pipe> pipe;
  Json greeting;
  int connections = 0;
  RemoteState state = RemoteState::none;
  std::vector<Error> hopeless;
  std::vector<SampleOrder> orders;
  std::function<void(const TakeProgress&)> watch;
  Event taken;
  Result<Stored> stored_or_error = Stored{"envelope-1", "idle.json.1", 100, 200, 0, 100, true, false};
  tool::Outcome outcome{tool::Outcome::Kind::delivered, "idle.json.1.x", {}};
  std::vector<std::string> receipts;
  std::vector<std::string> calls;
  std::string device_name = "bench";
};

TEST_F(Session, HelloIsCborWithAxesAndRate) {
  start();
  const Json sensor = {
      {"name", "Sensor with 2 axes (accX, accY)"}, {"maxSampleLengthS", 3600}, {"frequencies", {100.0}}};
  const Json hello = {{"apiKey", "ei_0123456789"},
                      {"deviceId", "14:91:31:40"},
                      {"deviceType", "DATA_FORWARDER"},
                      {"connection", "daemon"},
                      {"sensors", Json::array({sensor})},
                      {"supportsSnapshotStreaming", false},
                      {"mode", "ingestion"},
                      {"version", 4}};
  EXPECT_THAT(said(), ElementsAre(Json{{"hello", hello}}.dump()));
  EXPECT_EQ(state, RemoteState::connected);
  EXPECT_THAT(calls, ElementsAre("POST /v1/api/3/devices/create", "GET /v1/api/3/device/14%3A91%3A31%3A40"));
}

TEST_F(Session, TakesASampleAndTellsEachStep) {
  start();
  said();
  ask("wave", "request-key");
  EXPECT_THAT(said(), ElementsAre(R"({"sample":true})"));
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].label, "wave");
  EXPECT_EQ(orders[0].length_ms, 2000U);
  EXPECT_EQ(orders[0].path, "/api/testing/data");
  EXPECT_EQ(orders[0].category, sample::Category::testing);
  EXPECT_EQ(orders[0].hmac_key, "request-key");
  progress(0);
  clock.advance(std::chrono::milliseconds(500));
  progress(0.25);
  clock.advance(std::chrono::milliseconds(600));
  progress(0.55);
  EXPECT_THAT(said(), ElementsAre(R"({"sampleStarted":true})", R"({"progressPercentage":55,"sampleReading":true})"));
  finish();
  EXPECT_THAT(said(), ElementsAre(R"({"sampleUploading":true})", R"({"sampleFinished":true})"));
  EXPECT_THAT(receipts, ElementsAre("envelope-1"));
}

TEST_F(Session, WhatAStreamCannotDoIsAnswered) {
  start();
  said();
  pipe->say(cbor(Json{{"startSnapshot", true}}));
  pipe->say(cbor(Json{{"stopSnapshot", true}}));
  pipe->say(cbor(Json{{"startInferenceStream", true}}));
  pipe->say(cbor(Json{{"something", "new"}}));
  io.poll();
  EXPECT_THAT(said(), ElementsAre(R"({"error":"Device does not support snapshot streaming","snapshotFailed":true})",
                                  R"({"snapshotStopped":true})", R"({"inferenceStreamStarted":false})"));
}

TEST_F(Session, SignsWithTheProjectsKeyWhenTheRequestHasNone) {
  start();
  ask("wave");
  EXPECT_EQ(orders.at(0).hmac_key, "project-key");
}

TEST_F(Session, OneRequestAtATime) {
  start();
  ask("first");
  said();
  ask("second");
  EXPECT_THAT(said(), ElementsAre(R"({"error":"The device is busy with another sample","sample":false})"));
  EXPECT_EQ(orders.size(), 1U);
  finish();
  ask("third");
  EXPECT_EQ(orders.size(), 2U);
}

TEST_F(Session, FailureHasWords) {
  start();
  ask("wave");
  said();
  stored_or_error = fail(Errc::unplugged, "the board was unplugged", "fake");
  finish();
  const auto messages = said();
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_THAT(messages[0], HasSubstr(R"("sample":false)"));
  EXPECT_THAT(messages[0], HasSubstr("the board was unplugged"));
}

TEST_F(Session, TooLongIsRefused) {
  facts.rate_hz = 1e9;
  start();
  said();
  ask("wave");
  EXPECT_THAT(said().back(), HasSubstr("at most 1 s"));
  EXPECT_THAT(orders, IsEmpty());
  ask("again");
  EXPECT_THAT(said().back(), HasSubstr("at most 1 s"));
}

TEST_F(Session, IngestionAwayIsNoLoss) {
  start();
  ask("wave");
  said();
  outcome = tool::Outcome{tool::Outcome::Kind::waiting, {}, Error{Errc::network, "connection refused", {}, {}, {}}};
  finish();
  const auto messages = said();
  EXPECT_THAT(messages.back(), HasSubstr("connection refused"));
  EXPECT_THAT(messages.back(), HasSubstr("stored locally and will be delivered"));
}

TEST_F(Session, ConnectionLostDuringASample) {
  start();
  ask("old");
  pipe->say(fail(Errc::network, "connection reset"));
  io.run_for(Millis{50});
  EXPECT_EQ(connections, 2);
  EXPECT_EQ(session->connected(), true);
  said();
  // The new connection has not asked for the old sample, and its own request waits for it.
  ask("new");
  EXPECT_THAT(said(), ElementsAre(R"({"sample":true})"));
  EXPECT_EQ(orders.size(), 1U);
  ask("third");
  EXPECT_THAT(said(), ElementsAre(HasSubstr("busy")));
  finish();
  EXPECT_THAT(said(), IsEmpty());
  EXPECT_THAT(receipts, IsEmpty());
  ASSERT_EQ(orders.size(), 2U);
  EXPECT_EQ(orders[1].label, "new");
  finish();
  EXPECT_THAT(said(),
              ElementsAre(R"({"sampleStarted":true})", R"({"sampleUploading":true})", R"({"sampleFinished":true})"));
}

TEST_F(Session, NewAxesOrRateMeanANewHello) {
  start();
  facts.rate_hz = 100.4;
  session->on_ready(facts);
  io.poll();
  EXPECT_EQ(connections, 1) << "a fit that wanders is no news";
  facts.rate_hz = 50;
  session->on_ready(facts);
  io.poll();
  EXPECT_EQ(connections, 2);
  ask("wave");
  facts.axes = {"a", "b", "c"};
  session->on_ready(facts);
  io.poll();
  EXPECT_EQ(connections, 2) << "not during a sample";
  finish();
  EXPECT_EQ(connections, 3);
  EXPECT_THAT(said().at(0), HasSubstr("Sensor with 3 axes (a, b, c)"));
}

TEST_F(Session, LeavesWhenTheBoardStaysAway) {
  start();
  session->on_lost(Error{Errc::unplugged, "gone", {}, {}, {}});
  io.run_for(Millis{50});
  EXPECT_TRUE(pipe->closed);
  EXPECT_EQ(state, RemoteState::none);
  io.restart();
  session->on_ready(facts);
  io.poll();
  EXPECT_EQ(connections, 2);
}

TEST_F(Session, StaysWhenTheBoardComesBackSoon) {
  settings.lost_grace = Millis{60'000};
  start();
  session->on_lost(Error{Errc::unplugged, "gone", {}, {}, {}});
  io.poll();
  session->on_ready(facts);
  io.poll();
  EXPECT_EQ(connections, 1);
  EXPECT_FALSE(pipe->closed);
}

TEST_F(Session, WithoutAKeyItSaysWhichFlag) {
  project.api_key.clear();
  start();
  EXPECT_EQ(connections, 0);
  ASSERT_EQ(hopeless.size(), 1U);
  EXPECT_THAT(hopeless[0].message(), HasSubstr("--api-key"));
}

TEST_F(Session, RefusedKeyIsHopeless) {
  greeting = Json{{"hello", false}, {"err", "Invalid API key"}};
  start();
  ASSERT_FALSE(hopeless.empty());
  EXPECT_EQ(hopeless[0].code, Errc::auth);
}

TEST_F(Session, ADeviceWithoutANameGetsTheStreamsOwn) {
  device_name = facts.device;
  facts.device_name = "imu left";
  start();
  EXPECT_EQ(device_name, "imu left");
}

}  // namespace
}  // namespace tml::forwarder
