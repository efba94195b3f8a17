// SPDX-License-Identifier: Apache-2.0
#include "uploader/engine.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <mutex>

#include "common/base/json.hpp"
#include "tests/support/http_stub.hpp"
#include "tests/support/run_on.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::uploader {
namespace {

using test::StubAnswer;
using test::StubRequest;

class GivenPlan final : public Plan {
 public:
  Result<std::optional<Upload>> next() override {
    if (uploads.empty()) return std::nullopt;
    Upload upload = std::move(uploads.front());
    uploads.pop_front();
    return upload;
  }
  std::deque<Upload> uploads;
};

std::size_t count(const std::string& text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += what.size()) ++found;
  return found;
}

/// An answer that stores every file of a request.
StubAnswer stored(const StubRequest& request) {
  Json files = Json::array();
  for (std::size_t i = 0; i < count(request.body, "filename="); ++i) files.push_back({{"success", true}});
  StubAnswer answer;
  answer.body = json_text(Json{{"success", true}, {"files", files}});
  return answer;
}

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    pack.hash = true;
    pack.batches = true;
    pack.max_files = 8;
    options.lanes = 1;
    options.retries = 3;
    options.server.ours = true;
    options.server.part_headers = true;
    options.request.api_key = "ei_k";
    options.request.boundary = "BOUNDARY";
    for (int i = 0; i < 8; ++i) {
      Upload upload;
      upload.name = "f" + std::to_string(i) + ".csv";
      upload.path = folder.put(upload.name, "content " + std::to_string(i)).string();
      upload.content_type = "text/csv";
      plan.uploads.push_back(std::move(upload));
    }
  }

  Result<void> run(test::HttpStub::Handler handler) {
    test::HttpStub stub([this, handler = std::move(handler)](const StubRequest& request) {
      const std::lock_guard lock(mutex);
      requests.push_back(request);
      return handler(request);
    });
    options.request.ingestion = stub.url();
    boost::asio::io_context io;
    Packer packer(plan, journal, clock, pack);
    Engine::Listener listener;
    listener.outcome = [this](Outcome outcome) {
      const std::string name = outcome.name;
      outcomes.emplace(name, std::move(outcome));
    };
    Engine engine(io.get_executor(), packer, journal, random, options, std::move(listener));
    return test::run_on(io, engine.run());
  }
  std::size_t fates(Fate fate) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(outcomes, [fate](const auto& one) { return one.second.fate == fate; }));
  }

  test::TempDir folder;
  GivenPlan plan;
  ManualClock clock;
  SeededRandom random{1};
  PackOptions pack;
  EngineOptions options;
  Journal* journal = nullptr;
  std::mutex mutex;
  std::vector<StubRequest> requests;
  std::map<std::string, Outcome> outcomes;
};

TEST_F(EngineTest, OneBadFileDoesNotCostItsBatch) {
  const auto done = run([](const StubRequest& request) {
    if (request.body.find("content 5") == std::string::npos) return stored(request);
    StubAnswer answer;
    answer.status = 400;
    answer.body = R"({"success":false,"error":"I do not like fives"})";
    return answer;
  });
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(fates(Fate::uploaded), 7U);
  ASSERT_EQ(fates(Fate::failed), 1U);
  EXPECT_NE(outcomes.at("f5.csv").error->message().find("fives"), std::string::npos);
  EXPECT_EQ(requests.size(), 7U) << "8, then halves around the bad one";
}

TEST_F(EngineTest, LostAnswersAndBusyServersAreRetried) {
  int attempt = 0;
  const auto done = run([&attempt](const StubRequest& request) {
    StubAnswer answer = stored(request);
    if (++attempt == 1) answer.cut = StubAnswer::Cut::middle;
    if (attempt == 2) {
      answer.status = 503;
      answer.headers["Retry-After"] = "0";
    }
    return answer;
  });
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(fates(Fate::uploaded), 8U);
  ASSERT_EQ(requests.size(), 3U);
  EXPECT_EQ(requests[0].body, requests[2].body);
}

TEST_F(EngineTest, ARefusedKeyEndsTheRun) {
  const auto done = run([](const StubRequest&) {
    StubAnswer answer;
    answer.status = 401;
    return answer;
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::auth);
  EXPECT_TRUE(outcomes.empty());
}

TEST_F(EngineTest, KnownContentIsNotSent) {
  options.hashes = true;
  options.server.known_hashes = true;
  const auto done = run([](const StubRequest& request) {
    if (request.target != "/api/known-hashes") return stored(request);
    StubAnswer answer;
    answer.body = R"({"success":true,"known":[true,true,true,true,false,true,true,true]})";
    return answer;
  });
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(fates(Fate::existing), 7U);
  EXPECT_EQ(outcomes.at("f4.csv").fate, Fate::uploaded);
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_EQ(requests[1].body.find("content 3"), std::string::npos);
}

TEST_F(EngineTest, ForeignServersGetOneFilePerRequestOnKeptConnections) {
  pack.batches = false;
  pack.hash = false;
  options.server = ServerFacts{};
  options.lanes = 2;
  int attempt = 0;
  const auto done = run([&attempt](const StubRequest& request) {
    StubAnswer answer = stored(request);
    // Stored, and the connection goes: the repeated request is told that the content is there.
    if (++attempt == 3) answer.cut = StubAnswer::Cut::before;
    if (attempt > 8) answer.body = R"({"success":false,"error":"An item with this hash already exists"})";
    return answer;
  });
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(fates(Fate::uploaded), 8U);
  std::uint16_t connections = 0;
  for (const StubRequest& request : requests) {
    EXPECT_EQ(count(request.body, "filename="), 1U);
    EXPECT_EQ(request.headers.count("x-tml-envelope"), 0U);
    EXPECT_EQ(request.headers.count("expect"), 0U);
    connections = std::max(connections, request.connection);
  }
  EXPECT_LE(connections, 4U);
}

TEST_F(EngineTest, WhatFailedWithoutAnAnswerStaysMarkedAsSent) {
  const std::filesystem::path file = folder.path() / "journal";
  {
    auto fresh = Journal::create(file, "here", random);
    ASSERT_TRUE(fresh);
    journal = &*fresh;
    options.retries = 0;
    pack.batches = false;
    const auto done = run([](const StubRequest& request) {
      StubAnswer answer;
      answer.status = request.body.find("content 5") == std::string::npos ? 500 : 400;
      return answer;
    });
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ(fates(Fate::failed), 8U);
  }
  const auto resumed = Journal::resume(file, "here");
  ASSERT_TRUE(resumed);
  for (const auto& [name, outcome] : outcomes) {
    Upload upload;
    upload.path = outcome.path;
    upload.name = name;
    const auto entry = resumed->find(file_key(upload));
    ASSERT_TRUE(entry) << name;
    EXPECT_EQ(entry->mark, name == "f5.csv" ? Mark::failed : Mark::sent) << name;
  }
}

TEST_F(EngineTest, GivesUpWhenNobodyAnswers) {
  options.retries = 1;
  const auto done = run([](const StubRequest&) {
    StubAnswer answer;
    answer.cut = StubAnswer::Cut::before;
    return answer;
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::network);
  EXPECT_TRUE(outcomes.empty()) << "whether they are there is not known";
}

}  // namespace
}  // namespace tml::uploader
