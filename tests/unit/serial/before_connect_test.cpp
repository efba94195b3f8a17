// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A session nobody connected: each call wakes the board by itself, or ends in a clear error; none goes round for ever.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>

#include "common/serial/at_session.hpp"
#include "tests/unit/serial/fake_board.hpp"

namespace tml::serial {
namespace {

using testing::FakeBoard;
using testing::run;
using namespace std::chrono_literals;

/// Turns a loop without end into an error: no call here needs a tenth of this.
class Counted final : public ByteStream {
 public:
  explicit Counted(FakeBoard& board) : board_(board) {}
  Awaitable<Result<std::size_t>> read_some(std::span<std::byte> out, std::chrono::nanoseconds deadline) override {
    constexpr unsigned kMany = 20'000;
    if (++reads_ > kMany) co_return fail(Errc::io, "the session spins", board_.name());
    if (chatty) {
      // A word each 5 ms for ever, and no prompt.
      constexpr std::string_view kWord = "noise\n";
      board_.clock_.advance(5ms);
      const std::size_t count = std::min(kWord.size(), out.size());
      std::memcpy(out.data(), kWord.data(), count);
      co_return count;
    }
    auto got = co_await board_.read_some(out, deadline);
    co_return got;
  }
  Awaitable<Result<void>> write_all(std::span<const std::byte> bytes, std::chrono::nanoseconds deadline) override {
    auto written = co_await board_.write_all(bytes, deadline);
    co_return written;
  }
  Awaitable<Result<void>> set_baud(std::uint32_t rate) override {
    auto done = co_await board_.set_baud(rate);
    co_return done;
  }
  std::uint32_t baud() const override { return board_.baud(); }
  const Clock& clock() const override { return board_.clock(); }
  void cancel() override { board_.cancel(); }
  const std::string& name() const override { return board_.name(); }

  bool chatty = false;

 private:
  FakeBoard& board_;
  unsigned reads_ = 0;
};

struct Call {
  const char* name;
  std::function<std::optional<Error>(AtSession&)> make;
};

template <class T>
std::optional<Error> error_of(const Result<T>& result) {
  return result ? std::nullopt : std::optional<Error>(result.error());
}

std::vector<Call> calls() {
  const auto sample = [](AtSession& session) {
    SampleRequest request;
    request.sensor = "Built-in accelerometer";
    request.label = "x";
    request.interval_ms = 10;
    request.length_ms = 100;
    return error_of(run(session.start_sample(request)));
  };
  const auto lines = [](AtSession& session) {
    const auto on_line = [](std::string_view) { return true; };
    return error_of(run(session.stream_lines(*AtCommand::make("LISTFILES"), on_line, Timeouts{})));
  };
  return {
      {"config", [](AtSession& session) { return error_of(run(session.config())); }},
      {"info", [](AtSession& session) { return error_of(run(session.info())); }},
      {"command", [](AtSession& session) { return error_of(run(session.command(*AtCommand::make("LISTFILES")))); }},
      {"stream_lines", lines},
      {"set_device_id", [](AtSession& session) { return error_of(run(session.set_device_id("1"))); }},
      {"set_sample_settings",
       [](AtSession& session) { return error_of(run(session.set_sample_settings("x", 10, 100, ""))); }},
      {"set_upload_settings", [](AtSession& session) { return error_of(run(session.set_upload_settings("k", "/p"))); }},
      {"set_upload_host", [](AtSession& session) { return error_of(run(session.set_upload_host("http://h"))); }},
      {"set_mgmt_url", [](AtSession& session) { return error_of(run(session.set_mgmt_url("ws://h"))); }},
      {"set_wifi", [](AtSession& session) { return error_of(run(session.set_wifi("s", "p", 3))); }},
      {"start_sample", sample},
      {"read_buffer", [](AtSession& session) { return error_of(run(session.read_buffer(0, 12))); }},
      {"read_file", [](AtSession& session) { return error_of(run(session.read_file("/fs/a"))); }},
      {"unlink_file", [](AtSession& session) { return error_of(run(session.unlink_file("/fs/a"))); }},
      {"list_files", [](AtSession& session) { return error_of(run(session.list_files())); }},
      {"abort", [](AtSession& session) { return error_of(run(session.abort())); }},
  };
}

TEST(AtSessionBeforeConnect, EachCallConnectsByItself) {
  for (const Call& call : calls()) {
    for (const bool echo : {true, false}) {
      FakeBoard::Config config;
      config.echo = echo;
      FakeBoard board(config);
      Counted counted(board);
      AtSession session(counted);
      // How a read-out is coded is a matter of the version, which only config() or the caller can tell.
      session.set_device({1, 8, 0}, 0, {});
      const auto error = call.make(session);
      EXPECT_FALSE(error) << call.name << (echo ? "" : " without echo") << ": " << (error ? error->message() : "");
      ASSERT_FALSE(board.executed.empty()) << call.name;
      EXPECT_EQ(board.executed.front(), "b") << call.name;
      EXPECT_LE(board.clock_.steady(), 10s) << call.name;
    }
  }
}

TEST(AtSessionBeforeConnect, ClearConfigWakesTheBoardToo) {
  FakeBoard board;
  board.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line == "AT+CLEARCONFIG") return "Clearing config...\nOK\n> ";
    return std::nullopt;
  };
  Counted counted(board);
  AtSession session(counted);
  const auto cleared = run(session.clear_config());
  ASSERT_TRUE(cleared) << cleared.error().message();
  EXPECT_EQ(board.executed, (std::vector<std::string>{"b", "AT+CLEARCONFIG"}));
}

TEST(AtSessionBeforeConnect, SilentBoardEndsEachCallInATimeout) {
  for (const Call& call : calls()) {
    FakeBoard board;
    board.stuck = true;
    Counted counted(board);
    AtSession session(counted);
    const auto error = call.make(session);
    ASSERT_TRUE(error) << call.name;
    EXPECT_EQ(error->code, Errc::timeout) << call.name << ": " << error->message();
    EXPECT_FALSE(error->what.empty()) << call.name;
    // A read-out tries its attempts, each with a wake-up of 5 s.
    EXPECT_LE(board.clock_.steady(), 60s) << call.name;
  }
}

TEST(AtSessionBeforeConnect, VanishedPortEndsEachCallAtOnce) {
  for (const Call& call : calls()) {
    FakeBoard board;
    board.unplug_at = 0ns;
    Counted counted(board);
    AtSession session(counted);
    const auto error = call.make(session);
    ASSERT_TRUE(error) << call.name;
    EXPECT_EQ(error->code, Errc::unplugged) << call.name << ": " << error->message();
    EXPECT_LE(board.clock_.steady(), 1s) << call.name;
  }
}

TEST(AtSessionBeforeConnect, BoardThatNeverStopsTalkingEndsEachCall) {
  for (const Call& call : calls()) {
    FakeBoard board;
    board.stuck = true;
    Counted counted(board);
    counted.chatty = true;
    AtSession session(counted);
    const auto error = call.make(session);
    ASSERT_TRUE(error) << call.name;
    EXPECT_TRUE(error->code == Errc::timeout || error->code == Errc::garbage) << call.name << ": " << error->message();
    EXPECT_LE(board.clock_.steady(), 60s) << call.name;
  }
}

}  // namespace
}  // namespace tml::serial
