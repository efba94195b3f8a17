// SPDX-License-Identifier: Apache-2.0
#include "common/remote/link.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/json.hpp"
#include "tests/support/fake_socket.hpp"
#include "tests/support/run_on.hpp"

namespace tml::remote {
namespace {

using ::testing::ElementsAre;

using test::FakeSocket;
using test::Pipe;

class LinkTest : public ::testing::Test {
 protected:
  LinkTest() {
    // Zero pauses: a test steps from event to event, not through time.
    options.backoff = {Millis{0}, Millis{0}};
    options.rejected = {Millis{0}, Millis{0}};
    options.socket.url = "ws://h:4802";
  }
  std::shared_ptr<Link> make() {
    auto connect = [this](http::WebSocketOptions) { return connect_one(); };
    LinkEvents events;
    events.on_accepted = [this] { ++accepted; };
    events.on_down = [this](const Error& error, Millis) {
      downs.push_back(error);
      if (downs.size() >= stop_after_downs && link) link->stop();
    };
    events.on_message = [this](ServerMessage message) { messages.push_back(std::move(message)); };
    link = std::make_shared<Link>(io.get_executor(), std::move(connect), options, random, std::move(events));
    return link;
  }
  Awaitable<Result<std::unique_ptr<http::WebSocket>>> connect_one() {
    ++attempts;
    if (refusals > 0) {
      --refusals;
      co_return fail(Errc::network, "connection refused", "ws://h:4802");
    }
    pipe = std::make_shared<Pipe>(io);
    for (const std::string& text : greetings) pipe->say(text);
    co_return std::unique_ptr<http::WebSocket>(std::make_unique<FakeSocket>(pipe));
  }

  boost::asio::io_context io;
  SeededRandom random{7};
  LinkOptions options;
  std::shared_ptr<Link> link;
  std::shared_ptr<Pipe> pipe;
  std::vector<std::string> greetings = {R"({"hello":true})"};
  std::vector<ServerMessage> messages;
  std::vector<Error> downs;
  std::size_t stop_after_downs = 100;
  int attempts = 0;
  int refusals = 0;
  int accepted = 0;
};

TEST_F(LinkTest, SaysHelloAndHandsMessagesOn) {
  make()->start("HELLO");
  io.poll();
  EXPECT_EQ(accepted, 1);
  EXPECT_THAT(pipe->written, ElementsAre("HELLO"));
  pipe->say(R"({"sample":{"label":"a","length":1,"path":"/x","interval":1}})");
  io.poll();
  ASSERT_EQ(messages.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<SampleCommand>(messages[0]));
  link->post("one");
  link->post("two");
  io.poll();
  EXPECT_THAT(pipe->written, ElementsAre("HELLO", "one", "two"));
  link->stop();
  io.poll();
  EXPECT_TRUE(pipe->closed);
  EXPECT_TRUE(downs.empty());
}

TEST_F(LinkTest, NothingIsSentBeforeTheAnswerToHello) {
  greetings.clear();
  make()->start("HELLO");
  io.poll();
  link->post("early");
  io.poll();
  EXPECT_THAT(pipe->written, ElementsAre("HELLO"));
  EXPECT_FALSE(link->accepted());
  link->stop();
  io.poll();
}

TEST_F(LinkTest, ComesBackAfterEveryLoss) {
  refusals = 2;
  make()->start("HELLO");
  while (accepted == 0) io.run_one();
  EXPECT_EQ(attempts, 3);
  auto first = pipe;
  first->say(fail(Errc::network, "reset by peer"));
  while (accepted == 1) io.run_one();
  EXPECT_EQ(attempts, 4);
  EXPECT_NE(first, pipe);
  EXPECT_THAT(pipe->written, ElementsAre("HELLO"));
  EXPECT_EQ(downs.size(), 3U);
  link->stop();
  io.poll();
}

TEST_F(LinkTest, RefusedHelloIsToldApart) {
  greetings = {R"({"hello":false,"err":"Invalid API key"})"};
  stop_after_downs = 1;
  make()->start("HELLO");
  while (downs.empty()) io.run_one();
  EXPECT_EQ(downs[0].code, Errc::auth);
  EXPECT_NE(downs[0].what.find("Invalid API key"), std::string::npos);
  io.poll();
  greetings = {R"({"hello":false,"err":"Too many devices"})"};
  downs.clear();
  io.restart();
  link->start("HELLO");
  while (downs.empty()) io.run_one();
  EXPECT_EQ(downs[0].code, Errc::refused);
  EXPECT_EQ(accepted, 0);
}

TEST_F(LinkTest, FirstFrameMustBeTheAnswer) {
  greetings = {R"({"sample":{"label":"a","length":1,"path":"/x","interval":1}})"};
  stop_after_downs = 1;
  make()->start("HELLO");
  while (downs.empty()) io.run_one();
  EXPECT_EQ(downs[0].code, Errc::malformed);
  EXPECT_TRUE(messages.empty());
}

TEST_F(LinkTest, UnreadableRequestIsAnsweredAndTheConnectionStays) {
  make()->start("HELLO");
  io.poll();
  pipe->say(R"({"sample":{"label":5}})");
  pipe->say("garbage");
  pipe->say(R"({"stopSnapshot":true})");
  io.poll();
  ASSERT_EQ(pipe->written.size(), 2U);
  EXPECT_EQ(Json::parse(pipe->written[1])["sample"], false);
  EXPECT_EQ(messages.size(), 1U);
  EXPECT_TRUE(link->accepted());
  link->stop();
  io.poll();
}

TEST_F(LinkTest, ServerThatNeverAnswersHelloIsLeft) {
  greetings.clear();
  options.hello_timeout = Millis{1};
  stop_after_downs = 1;
  make()->start("HELLO");
  while (downs.empty()) io.run_one();
  EXPECT_EQ(downs[0].code, Errc::timeout);
  EXPECT_TRUE(pipe->aborted);
}

TEST_F(LinkTest, NoCallbackAfterStop) {
  make()->start("HELLO");
  io.poll();
  auto old = pipe;
  link->stop();
  old->say(R"({"stopSnapshot":true})");
  io.poll();
  EXPECT_TRUE(messages.empty());
  EXPECT_TRUE(downs.empty());
}

}  // namespace
}  // namespace tml::remote
