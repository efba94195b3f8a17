// SPDX-License-Identifier: Apache-2.0
#include "forwarder/setup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "common/base/spawn.hpp"
#include "tests/unit/forwarder/fake_source.hpp"

namespace tml::forwarder {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(AxisNames, TrimmedAndCounted) {
  EXPECT_THAT(*parse_axis_names(" accX,accY ,  accZ", 3), ElementsAre("accX", "accY", "accZ"));
  EXPECT_THAT(*parse_axis_names(",,a b,", 1), ElementsAre("a b"));
  EXPECT_EQ(parse_axis_names("a,b", 3).error().what, "2 names for 3 axes");
  EXPECT_EQ(parse_axis_names("", 1).error().what, "0 names for 1 axis");
  EXPECT_THAT(parse_axis_names("a,a", 2).error().what, HasSubstr("\"a\""));
}

TEST(AxisNames, QuestionOfTheReference) {
  const std::array<double, 3> values{-9.81, 0.5, 1e6};
  EXPECT_EQ(axis_question(values),
            "3 sensor axes detected (example values: [-9.81,0.5,1e+06]). What do you want to call them? Separate the "
            "names with ',':");
}

TEST(AxisNames, StoredOnesOnlyWhenTheyFit) {
  Settings settings;
  EXPECT_FALSE(stored_axis_names(settings, "d", 2));
  settings.devices["d"]["axes"] = "a,b";
  EXPECT_THAT(*stored_axis_names(settings, "d", 2), ElementsAre("a", "b"));
  EXPECT_FALSE(stored_axis_names(settings, "d", 3));
  EXPECT_FALSE(stored_axis_names(settings, "e", 2));
}

/// A station with unnamed axes, and a person with answers ready.
class Naming : public ::testing::Test, private StationObserver {
 protected:
  void start(bool somebody_to_ask, bool anew = false) {
    auto fake = std::make_unique<FakeSource>(io.get_executor());
    source = fake.get();
    StationSettings station_settings;
    station_settings.name = "fake";
    station_settings.frequency_hz = 100;
    station_settings.identify = [](const SourceFacts& facts) -> Result<std::string> {
      return facts.identity.usb_serial;
    };
    station =
        std::make_shared<Station>(io.get_executor(), system_clock(), std::move(fake), std::move(station_settings));
    NamingPort port;
    if (somebody_to_ask) {
      port.ask = [this](std::string question, std::string) { return answer(std::move(question)); };
    }
    port.anew = anew;
    port.settings = [this]() -> Settings& { return settings; };
    port.remember = [this](const std::string& device, const std::string& name, const std::string& value) {
      settings.devices[device][name] = value;
      return Result<void>{};
    };
    port.on_hopeless = [this](const Error& error) { hopeless.push_back(error); };
    naming = std::make_shared<AxisNaming>(station, std::move(port), false);
    station->subscribe(*naming);
    station->subscribe(*this);
    auto run = [](std::shared_ptr<Station> all) -> Awaitable<void> {
      auto ended = co_await all->run();
      EXPECT_TRUE(ended) << ended.error().message();
    };
    spawn_logged(io.get_executor(), run(station), "station");
    io.poll();
  }
  void TearDown() override {
    station->unsubscribe(*naming);
    station->unsubscribe(*this);
    station->stop();
    io.run();
  }
  void on_ready(const StreamFacts& facts) override { ready.push_back(facts.axes); }
  Awaitable<Result<std::string>> answer(std::string question) {
    asked.push_back(std::move(question));
    if (answers.empty()) co_return fail(Errc::interrupted, "end of input at a question");
    std::string text = answers.front();
    answers.pop_front();
    co_return text;
  }
  void feed(int axes) {
    source->lines(300, axes, 100);
    io.poll();
  }

  boost::asio::io_context io;
  FakeSource* source = nullptr;
  std::shared_ptr<Station> station;
  std::shared_ptr<AxisNaming> naming;
  Settings settings;
  std::deque<std::string> answers;
  std::vector<std::string> asked;
  std::vector<Error> hopeless;
  std::vector<std::vector<std::string>> ready;
};

TEST_F(Naming, AsksUntilTheNumberFitsAndRemembers) {
  answers = {"a,b", "accX, accY, accZ"};
  start(true);
  feed(3);
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_THAT(asked[0], HasSubstr("3 sensor axes detected (example values: ["));
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_THAT(ready[0], ElementsAre("accX", "accY", "accZ"));
  EXPECT_EQ(settings.devices["14913140"]["axes"], "accX,accY,accZ");
  EXPECT_THAT(hopeless, IsEmpty());
}

TEST_F(Naming, StoredNamesAreTakenWithoutAQuestion) {
  settings.devices["14913140"]["axes"] = "x,y";
  start(true);
  feed(2);
  EXPECT_THAT(asked, IsEmpty());
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_THAT(ready[0], ElementsAre("x", "y"));
}

TEST_F(Naming, StoredNamesOfAnotherNumberAreNot) {
  settings.devices["14913140"]["axes"] = "x,y";
  answers = {"a,b,c"};
  start(true);
  feed(3);
  EXPECT_EQ(asked.size(), 1U);
  EXPECT_EQ(settings.devices["14913140"]["axes"], "a,b,c");
}

TEST_F(Naming, CleanAsksAgain) {
  settings.devices["14913140"]["axes"] = "x,y";
  answers = {"a,b"};
  start(true, true);
  feed(2);
  EXPECT_EQ(asked.size(), 1U);
  EXPECT_EQ(settings.devices["14913140"]["axes"], "a,b");
}

TEST_F(Naming, NobodyToAskNamesTheFlag) {
  start(false);
  feed(2);
  ASSERT_EQ(hopeless.size(), 1U);
  EXPECT_EQ(hopeless[0].code, Errc::usage);
  EXPECT_THAT(hopeless[0].message(), HasSubstr("--axes"));
  EXPECT_THAT(ready, IsEmpty());
}

TEST_F(Naming, EndOfInputIsTold) {
  start(true);
  feed(2);
  ASSERT_EQ(hopeless.size(), 1U);
  EXPECT_EQ(hopeless[0].code, Errc::interrupted);
}

}  // namespace
}  // namespace tml::forwarder
