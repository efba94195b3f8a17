// SPDX-License-Identifier: Apache-2.0
#include "common/spool/delivery.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <map>
#include <mutex>
#include <set>

#include "common/spool/form_body.hpp"
#include "tests/support/http_stub.hpp"
#include "tests/unit/spool/support.hpp"

namespace tml::spool {
namespace {

namespace asio = boost::asio;
using test::entry_of;
using tml::test::HttpStub;
using tml::test::StubAnswer;
using tml::test::StubRequest;

/// An ingestion service: answers from a script first, then 200, and remembers what it "committed" and when.
struct Ingestion {
  StubAnswer operator()(const StubRequest& request) {
    requests.push_back(request);
    StubAnswer answer;
    if (!script.empty()) {
      answer = script.front();
      script.pop_front();
    }
    if (ours) answer.headers[kServerMarkHeader] = "test";
    if (answer.status == 200 && envelopes.insert(request.headers.at("x-tml-envelope")).second)
      stored.push_back(request.body);
    return answer;
  }
  bool ours = false;
  std::deque<StubAnswer> script;
  std::vector<StubRequest> requests;
  std::set<std::string> envelopes;
  std::vector<std::string> stored;
};

StubAnswer status(int code, std::string body = "text") {
  StubAnswer answer;
  answer.status = code;
  answer.body = std::move(body);
  return answer;
}
StubAnswer cut(StubAnswer::Cut where) {
  StubAnswer answer;
  answer.cut = where;
  return answer;
}

class DeliveryTest : public ::testing::Test {
 protected:
  DeliveryTest() : server_([this](const StubRequest& request) { return service_(request); }) {
    SpoolOptions options;
    options.folder = folder_.path() / "spool";
    spool_ = std::move(*AsyncSpool::open(options, system_clock(), system_random()));
    options_.backoff = {Millis(1), Millis(4)};
    options_.poll_every = Millis(50);
    events_.on_delivered = [this](const Receipt& receipt) {
      delivered_.push_back(receipt.entry.envelope);
      if (delivered_.size() + refused_.size() == expected_) stop();
    };
    events_.on_refused = [this](const EntryInfo& entry, const Error&) {
      refused_.push_back(entry.envelope);
      if (delivered_.size() + refused_.size() == expected_) stop();
    };
    events_.on_retry = [this](const EntryInfo&, const Error& error, Millis) { retries_.push_back(error.code); };
  }

  void stop() {
    if (delivery_) delivery_->stop();
  }

  std::string put(const std::string& device, const std::string& payload) {
    return put_entry(entry_of(device, payload, "a b.json"));
  }
  std::string put_entry(NewEntry given) {
    std::string envelope;
    auto task = [](AsyncSpool& spool, NewEntry entry, std::string& out) -> asio::awaitable<void> {
      const auto result = co_await spool.put(std::move(entry));
      out = result.value().envelope;
    };
    run(task(*spool_, std::move(given), envelope));
    return envelope;
  }

  void run(asio::awaitable<void> task) {
    asio::co_spawn(context_, std::move(task), [](const std::exception_ptr& problem) {
      if (problem) std::rethrow_exception(problem);
    });
    context_.run();
    context_.restart();
  }

  Delivery& make() {
    delivery_ = std::make_unique<Delivery>(
        *spool_, *client_, system_clock(), system_random(),
        [url = server_.url()](const EntryInfo&) {
          return Target{url, "ei_test"};
        },
        events_, options_);
    return *delivery_;
  }

  /// Until `expected` entries were delivered or refused.
  void deliver(std::size_t expected) {
    expected_ = expected;
    auto task = [](Delivery& delivery) -> asio::awaitable<void> {
      const auto done = co_await delivery.run();
      EXPECT_TRUE(done) << (done ? "" : done.error().message());
    };
    run(task(make()));
  }

  Totals totals() {
    Totals result;
    auto task = [](AsyncSpool& spool, Totals& out) -> asio::awaitable<void> {
      out = (co_await spool.totals()).value();
    };
    run(task(*spool_, result));
    return result;
  }

  test::TemporaryFolder folder_;
  Ingestion service_;
  HttpStub server_;
  asio::io_context context_;
  std::unique_ptr<AsyncSpool> spool_;
  std::unique_ptr<http::Client> client_ = std::make_unique<http::Client>();
  DeliveryEvents events_;
  DeliveryOptions options_;
  std::unique_ptr<Delivery> delivery_;
  std::size_t expected_ = 0;
  std::vector<std::string> delivered_;
  std::vector<std::string> refused_;
  std::vector<Errc> retries_;
};

TEST_F(DeliveryTest, SendsWhatTheReferenceAsksFor) {
  const std::string envelope = put("board", "payload");
  deliver(1);
  ASSERT_EQ(service_.requests.size(), 1U);
  const StubRequest& request = service_.requests[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/api/training/data");
  EXPECT_EQ(request.headers.at("x-api-key"), "ei_test");
  EXPECT_EQ(request.headers.at("x-file-name"), "a%20b.json");
  EXPECT_EQ(request.headers.at("content-type"), "application/json");
  EXPECT_EQ(request.headers.at("x-tml-envelope"), envelope);
  EXPECT_EQ(request.headers.at("x-upload-source"), "TML_DAEMON");
  EXPECT_FALSE(request.headers.contains("x-label"));
  EXPECT_FALSE(request.headers.contains("x-disallow-duplicates"));
  EXPECT_FALSE(request.headers.contains("expect"));
  EXPECT_EQ(request.body, "payload");
  EXPECT_EQ(totals().delivered, 1U);
}

TEST_F(DeliveryTest, TroubleCostsTimeOnlyAndKeepsTheOrder) {
  service_.script = {status(500), cut(StubAnswer::Cut::before), cut(StubAnswer::Cut::middle), status(503), status(429),
                     status(302)};
  std::vector<std::string> expected;
  for (int i = 0; i < 5; ++i) {
    expected.push_back("payload " + std::to_string(i));
    put("board", expected.back());
  }
  deliver(5);
  EXPECT_EQ(service_.stored, expected);
  EXPECT_GE(retries_.size(), 5U);
  EXPECT_EQ(totals().pending, 0U);
}

TEST_F(DeliveryTest, ARetryToAForeignServerDisallowsDuplicates) {
  // The first request was stored, its answer lost; the second is called a duplicate.
  service_.script = {cut(StubAnswer::Cut::before), status(400, "duplicate of item 7")};
  put("board", "x");
  deliver(1);
  EXPECT_EQ(service_.requests.at(1).headers.at("x-disallow-duplicates"), "1");
  EXPECT_EQ(delivered_.size(), 1U);
  EXPECT_TRUE(refused_.empty());
}

TEST_F(DeliveryTest, OurServerIsNeverAskedToRejectByContent) {
  service_.ours = true;
  service_.script = {status(200), status(500)};
  put("board", "x");
  put("board", "x");
  deliver(2);
  for (const StubRequest& request : service_.requests) EXPECT_FALSE(request.headers.contains("x-disallow-duplicates"));
  EXPECT_EQ(service_.stored, (std::vector<std::string>{"x", "x"}));
}

TEST_F(DeliveryTest, EqualContentIsStoredWhenOurServerCallsItADuplicate) {
  // First contact is lost before the server could say that it is ours.
  service_.ours = true;
  service_.script = {cut(StubAnswer::Cut::before), status(409, "duplicate")};
  service_.script.front().status = 500;
  put("board", "x");
  deliver(1);
  ASSERT_EQ(service_.requests.size(), 3U);
  EXPECT_TRUE(service_.requests[1].headers.contains("x-disallow-duplicates"));
  EXPECT_FALSE(service_.requests[2].headers.contains("x-disallow-duplicates"));
  EXPECT_EQ(service_.stored.size(), 1U);
}

TEST_F(DeliveryTest, AnEntryForFilesGoesAsAForm) {
  service_.ours = true;
  NewEntry entry = entry_of("board", std::string("\xFF\xD8 picture \xFF\xD9", 13), "a \"b\".jpg");
  entry.path = "/api/training/files";
  entry.label = "a \"b\"";
  entry.content_type = "image/jpeg";
  entry.headers = {{"x-add-date-id", "1"}, {"x-disallow-duplicates", "1"}};
  const std::string envelope = put_entry(entry);
  deliver(1);
  const StubRequest& request = service_.requests.at(0);
  EXPECT_EQ(request.headers.at("content-type"), "multipart/form-data; boundary=tml-" + envelope);
  EXPECT_EQ(request.body, "--tml-" + envelope +
                              "\r\nContent-Disposition: form-data; name=\"data\"; filename=\"a %22b%22.jpg\"\r\n"
                              "Content-Type: image/jpeg\r\n\r\n" +
                              entry.payload + "\r\n--tml-" + envelope + "--\r\n");
  EXPECT_EQ(request.headers.at("x-label"), "a%20%22b%22");
  EXPECT_EQ(request.headers.at("x-add-date-id"), "1");
  EXPECT_FALSE(request.headers.contains("x-file-name"));
}

TEST_F(DeliveryTest, AnEntryMayAskForNoDuplicates) {
  // Even our server's "duplicate" then means: it is there.
  service_.ours = true;
  service_.script = {status(409, "duplicate")};
  NewEntry entry = entry_of("board", "x");
  entry.headers = {{"x-disallow-duplicates", "1"}};
  put_entry(entry);
  deliver(1);
  EXPECT_EQ(service_.requests.size(), 1U);
  EXPECT_EQ(delivered_.size(), 1U);
}

TEST(FormBody, TheBoundaryIsNotInThePayload) {
  EntryInfo entry;
  entry.envelope = "e";
  EXPECT_EQ(form_body(entry, "a tml-e b tml-e-x c").content_type, "multipart/form-data; boundary=tml-e-x-x");
}

TEST_F(DeliveryTest, RefusedEntriesAreKeptAndDoNotBlock) {
  service_.script = {status(400, "invalid message")};
  const std::string bad = put("board", "bad");
  const std::string good = put("board", "good");
  deliver(2);
  EXPECT_EQ(refused_, std::vector{bad});
  EXPECT_EQ(delivered_, std::vector{good});
  EXPECT_EQ(totals().refused, 1U);
}

TEST_F(DeliveryTest, AWrongKeyHoldsTheDevice) {
  service_.script = {status(401, "bad key"), status(403, "bad key")};
  put("board", "1");
  put("board", "2");
  deliver(2);
  EXPECT_EQ(retries_, (std::vector{Errc::auth, Errc::auth}));
  EXPECT_EQ(service_.stored, (std::vector<std::string>{"1", "2"}));
}

TEST_F(DeliveryTest, DrainEndsWhenADevicesHeadFails) {
  service_.script = {status(500), status(500)};
  for (const char* device : {"a", "b", "c"}) put(device, std::string("from ") + device);
  std::optional<DrainSummary> summary;
  auto task = [](Delivery& delivery, std::optional<DrainSummary>& out) -> asio::awaitable<void> {
    const auto done = co_await delivery.drain();
    if (done) out = *done;
  };
  run(task(make(), summary));
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->delivered, 1U);
  EXPECT_EQ(summary->failed, 2U);
  EXPECT_EQ(summary->last_error->code, Errc::server_error);
  EXPECT_EQ(totals().pending, 2U);
}

TEST_F(DeliveryTest, WaitTellsWhatBecameOfAnEntry) {
  const std::string envelope = put("board", "x");
  auto& delivery = make();
  Result<Receipt> outcome = fail(Errc::failed, "not set");
  auto runner = [](Delivery& what) -> asio::awaitable<void> { static_cast<void>(co_await what.run()); };
  auto waiter = [](Delivery& what, std::string id, Result<Receipt>& out) -> asio::awaitable<void> {
    out = co_await what.wait(std::move(id), Millis(20'000));
    what.stop();
  };
  asio::co_spawn(context_, runner(delivery), [](const std::exception_ptr& problem) { EXPECT_FALSE(problem); });
  run(waiter(delivery, envelope, outcome));
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_EQ(outcome->entry.envelope, envelope);
}

TEST_F(DeliveryTest, AnotherProcessIsRespected) {
  const auto lock = DeliveryLock::take(folder_.path() / "spool");
  ASSERT_TRUE(lock);
  std::optional<Errc> code;
  auto task = [](Delivery& delivery, std::optional<Errc>& out) -> asio::awaitable<void> {
    const auto done = co_await delivery.run();
    if (!done) out = done.error().code;
  };
  run(task(make(), code));
  EXPECT_EQ(code, Errc::busy);
}

}  // namespace
}  // namespace tml::spool
