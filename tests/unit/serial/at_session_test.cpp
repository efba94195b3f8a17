// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/at_session.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "common/wire/bytes.hpp"
#include "tests/unit/serial/fake_board.hpp"

namespace tml::serial {
namespace {

using testing::FakeBoard;
using testing::run;
using namespace std::chrono_literals;

std::string random_bytes(std::size_t size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

std::chrono::nanoseconds since(const FakeBoard& board, std::chrono::nanoseconds start) {
  return board.clock_.steady() - start;
}

TEST(AtSession, ConnectsAndReadsTheConfigurationWithinTheGoalAt115200) {
  FakeBoard board;
  AtSession session(board);
  ASSERT_TRUE(run(session.connect()));
  const auto info = run(session.config());
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(info->id, "11:22:33:44:55:66");
  EXPECT_EQ(info->at_version, (AtVersion{1, 8, 0}));
  ASSERT_EQ(info->sensors.size(), 1U);
  EXPECT_EQ(info->sensors[0].frequencies_hz, (std::vector<double>{62.5, 100.0}));
  EXPECT_FALSE(info->has_hmac_key());
  EXPECT_LE(since(board, 0ns), 180ms);
  EXPECT_EQ(session.echoes(), true);
}

TEST(AtSession, BoardThatIsSilentEndsInTimeoutAfterFiveSeconds) {
  FakeBoard board;
  board.stuck = true;
  AtSession session(board);
  const auto connected = run(session.connect());
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code, Errc::timeout);
  EXPECT_NE(connected.error().message().find("nothing arrived"), std::string::npos);
  EXPECT_GE(since(board, 0ns), 5s);
  EXPECT_LE(since(board, 0ns), 5500ms);
}

TEST(AtSession, WrongRateIsGarbageNotTimeout) {
  FakeBoard board;
  AtOptions options;
  options.base_baud = 9600;
  board.inject("Hello from Edge Impulse, a banner at another rate\r\n", 10ms);
  AtSession session(board, options);
  const auto connected = run(session.connect());
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code, Errc::garbage);
  EXPECT_NE(connected.error().hint.find("9600"), std::string::npos);
}

TEST(AtSession, BootingBoardIsWaitedFor) {
  FakeBoard board;
  board.stuck = true;
  board.inject("Hello from Edge Impulse\r\nType AT+HELP to see a list of commands.\r\n> ", 2500ms);
  AtSession session(board);
  const auto connected = run(session.connect());
  EXPECT_TRUE(connected);
  board.stuck = false;
  EXPECT_TRUE(run(session.config()));
}

TEST(AtSession, NeverMoreThanSixteenBytesUnconfirmed) {
  FakeBoard::Config config;
  config.fifo = 16;
  config.take_time = 500us;
  FakeBoard board(config);
  AtSession session(board);
  ASSERT_TRUE(run(session.connect()));
  const auto set = run(session.set_upload_settings(std::string(100, 'k'), "/api/training/data"));
  ASSERT_TRUE(set) << set.error().message();
  EXPECT_EQ(board.lost_in_fifo, 0U);
  EXPECT_EQ(board.executed.back(), "AT+UPLOADSETTINGS=" + std::string(100, 'k') + ",/api/training/data");
}

TEST(AtSession, QuickBoardIsNotSlowedDown) {
  FakeBoard::Config config;
  config.byte_time = 0ns;
  config.answer_delay = 0ns;
  FakeBoard board(config);
  AtSession session(board);
  ASSERT_TRUE(run(session.connect()));
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(run(session.set_device_id("11:22:33:44:55:66")));
  EXPECT_EQ(since(board, 0ns), 0ns);
}

TEST(AtSession, BoardWithoutEchoGetsPacedWrites) {
  FakeBoard::Config config;
  config.echo = false;
  FakeBoard board(config);
  AtSession session(board);
  ASSERT_TRUE(run(session.connect()));
  ASSERT_TRUE(run(session.config()));
  EXPECT_EQ(session.echoes(), false);
  const auto start = board.clock_.steady();
  ASSERT_TRUE(run(session.set_sample_settings("label", 10, 1000, "")));
  EXPECT_EQ(board.executed.back(), "AT+SAMPLESETTINGS=label,10,1000");
  // 31 characters at 5 per 20 ms.
  EXPECT_GE(since(board, start), 120ms);
  EXPECT_LE(since(board, start), 200ms);
}

TEST(AtSession, LineAtOnceEchoIsCutOff) {
  FakeBoard::Config config;
  config.echo = false;
  config.echo_whole_line = true;
  FakeBoard board(config);
  AtSession session(board);
  ASSERT_TRUE(run(session.connect()));
  for (int i = 0; i < 4; ++i) {
    const auto reply = run(session.command(*AtCommand::make("LISTFILES")));
    ASSERT_TRUE(reply) << reply.error().message();
    EXPECT_EQ(reply->text, "/fs/a\n/fs/b");
  }
}

TEST(AtSession, WrongEchoIsErasedAndTypedAgain) {
  const std::string command = "AT+SAMPLESETTINGS=a_rather_long_label_name,62.5,123456,0123456789abcdef";
  unsigned set = 0;
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    FakeBoard::Config config;
    config.faults = {.drop = 2000, .repeat = 1000, .corrupt = 2000, .seed = seed};
    FakeBoard board(config);
    AtSession session(board);
    for (int i = 0; i < 10; ++i) {
      if (run(session.set_sample_settings("a_rather_long_label_name", 62.5, 123456, "0123456789abcdef"))) ++set;
    }
    for (const std::string& line : board.executed) {
      // What was run is the command, or nothing that a board could take for a setting. (A flipped bit may make a CR out
      // of another character: then the beginning is run, and no host can help it.)
      if (line.starts_with("AT+SAMPLESETTINGS=")) EXPECT_EQ(line, command.substr(0, line.size()));
    }
  }
  EXPECT_GE(set, 160U) << "of 200";
}

TEST(AtSession, ValuesThatCouldInjectAreRefusedBeforeAnythingIsSent) {
  FakeBoard board;
  AtSession session(board);
  for (const char* label : {"a\rAT+CLEARCONFIG", "a\nb", "a,b", "a> b", "\x1b[A", "gr\xC3\xBC\xC3\x9F", "", " a"}) {
    const auto set = run(session.set_sample_settings(label, 10, 1000, "k"));
    ASSERT_FALSE(set) << label;
    EXPECT_EQ(set.error().code, Errc::usage);
    EXPECT_EQ(set.error().where, "label");
  }
  const auto key = run(session.set_sample_settings("a", 10, 1000, std::string(33, 'k')));
  EXPECT_EQ(key.error().code, Errc::limit);
  EXPECT_EQ(board.written, "");
}

TEST(AtSession, SampleReportsEventsAndFile) {
  FakeBoard board;
  AtSession session(board);
  SampleRequest request;
  request.sensor = "Built-in accelerometer";
  request.label = "x";
  request.interval_ms = 16;
  request.length_ms = 1000;
  request.hmac_key = "secretkey";
  std::vector<SampleEvent> events;
  const auto file = run(session.start_sample(request, [&events](SampleEvent event) { events.push_back(event); }));
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->name, "/fs/x");
  EXPECT_TRUE(file->in_buffer);
  EXPECT_EQ(file->to, board.sample.size());
  EXPECT_EQ(file->transcript.find("secretkey"), std::string::npos);
  EXPECT_EQ(events, (std::vector<SampleEvent>{SampleEvent::started, SampleEvent::processing,
                                              SampleEvent::done_processing, SampleEvent::done_sampling}));
}

TEST(AtSession, RefusalsCarryTheBoardsWords) {
  FakeBoard board;
  board.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line.starts_with("AT+SAMPLESTART=")) return "ERR: Failed to find sensor 'x' in the sensor list\n> ";
    if (line.starts_with("AT+UPLOADHOST=")) return "Failed to persist upload settings (-1)\n> ";
    if (line.starts_with("AT+UNLINKFILE=")) return "File '/fs/x' could not be unlinked\n> ";
    return std::nullopt;
  };
  AtSession session(board);
  SampleRequest request;
  request.sensor = "x";
  request.label = "x";
  request.interval_ms = 10;
  request.length_ms = 10;
  const auto sample = run(session.start_sample(request));
  ASSERT_FALSE(sample);
  EXPECT_EQ(sample.error().code, Errc::refused);
  EXPECT_NE(sample.error().what.find("Failed to find sensor"), std::string::npos);
  EXPECT_EQ(run(session.set_upload_host("http://h")).error().code, Errc::refused);
  EXPECT_EQ(run(session.unlink_file("/fs/x")).error().code, Errc::refused);
  EXPECT_TRUE(run(session.config())) << "the line stays usable";
}

TEST(AtSession, KeysDoNotReachErrorTexts) {
  FakeBoard board;
  board.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line.starts_with("AT+UPLOADSETTINGS=")) return "ERR: no space\n> ";
    return std::nullopt;
  };
  AtSession session(board);
  const auto set = run(session.set_upload_settings("ei_topsecret", "/p"));
  ASSERT_FALSE(set);
  EXPECT_EQ(set.error().message().find("topsecret"), std::string::npos);
}

TEST(AtSession, MalformedConfigurationNamesTheLine) {
  FakeBoard board;
  board.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line == "AT+CONFIG?") return "===== Device info =====\nID: 1\n===== Sensors ======\nthis is no sensor\n> ";
    return std::nullopt;
  };
  AtSession session(board);
  const auto info = run(session.config());
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code, Errc::malformed);
  EXPECT_NE(info.error().what.find("this is no sensor"), std::string::npos);
  EXPECT_NE(info.error().what.find("line 4"), std::string::npos) << info.error().what;
}

TEST(AtSession, NewerCommandSetIsUnsupported) {
  FakeBoard::Config config;
  config.at_version = "1.9.0";
  FakeBoard board(config);
  AtSession session(board);
  EXPECT_EQ(run(session.config()).error().code, Errc::unsupported);
}

TEST(AtSession, AnswerBeyondItsBoundIsLimit) {
  FakeBoard::Config config;
  config.byte_time = 0ns;
  FakeBoard board(config);
  board.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line == "AT+HELP") return std::string(70'000, 'x') + "\n> ";
    return std::nullopt;
  };
  AtSession session(board);
  const auto reply = run(session.command(*AtCommand::make("HELP")));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::limit);
  EXPECT_TRUE(run(session.config()));
}

TEST(AtSession, BoardThatNeverStopsTalkingEndsInTimeout) {
  FakeBoard board;
  board.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line == "AT+HELP") return std::string(1'000'000, 'x');
    return std::nullopt;
  };
  AtSession session(board);
  const auto reply = run(session.command(*AtCommand::make("HELP")));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::timeout);
  EXPECT_LE(since(board, 0ns), 10s);
}

TEST(AtSession, UnpluggedIsNotASlowBoard) {
  FakeBoard board;
  AtSession session(board);
  ASSERT_TRUE(run(session.connect()));
  board.unplug_at = board.clock_.steady() + 5ms;
  const auto info = run(session.config());
  ASSERT_FALSE(info);
  EXPECT_EQ(info.error().code, Errc::unplugged);
}

TEST(AtSession, SecondCallerWaitsItsTurn) {
  FakeBoard board;
  AtSession session(board);
  boost::asio::io_context loop;
  std::vector<int> order;
  const auto call = [&session, &order](int number) -> boost::asio::awaitable<void> {
    const auto set = co_await session.set_device_id("id" + std::to_string(number));
    EXPECT_TRUE(set);
    order.push_back(number);
  };
  for (int i = 0; i < 5; ++i) {
    boost::asio::co_spawn(loop, call(i), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
  }
  loop.run();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  std::vector<std::string> ids;
  for (const std::string& line : board.executed) {
    if (line.starts_with("AT+DEVICEID=")) ids.push_back(line.substr(12));
  }
  EXPECT_EQ(ids, (std::vector<std::string>{"id0", "id1", "id2", "id3", "id4"}));
}

TEST(AtSession, TooManyCallersAreBusy) {
  FakeBoard board;
  AtOptions options;
  options.max_waiting = 1;
  AtSession session(board, options);
  boost::asio::io_context loop;
  unsigned busy = 0;
  const auto call = [&session, &busy]() -> boost::asio::awaitable<void> {
    const auto info = co_await session.config();
    if (!info && info.error().code == Errc::busy) ++busy;
  };
  for (int i = 0; i < 3; ++i) boost::asio::co_spawn(loop, call(), [](std::exception_ptr) {});
  loop.run();
  EXPECT_EQ(busy, 1U);
}

TEST(AtSession, AbortEndsTheCommandInFlightAndBringsThePromptBack) {
  FakeBoard board;
  board.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line.starts_with("AT+SAMPLESTART=")) return "Sampling...\n";
    return std::nullopt;
  };
  AtSession session(board);
  boost::asio::io_context loop;
  std::optional<Errc> sample_end;
  std::optional<bool> aborted;
  const auto abort = [&]() -> boost::asio::awaitable<void> {
    const auto done = co_await session.abort();
    aborted = done.has_value();
  };
  const auto sample = [&]() -> boost::asio::awaitable<void> {
    SampleRequest request;
    request.sensor = request.label = "x";
    request.interval_ms = 10;
    request.length_ms = 60'000;
    const SampleEventFn on_event = [&](SampleEvent) {
      boost::asio::co_spawn(loop, abort(), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
    };
    const auto file = co_await session.start_sample(request, on_event);
    sample_end = file ? Errc::failed : file.error().code;
  };
  boost::asio::co_spawn(loop, sample(), [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
  loop.run();
  EXPECT_EQ(sample_end, Errc::interrupted);
  EXPECT_EQ(aborted, true);
  EXPECT_TRUE(run(session.config()));
}

TEST(AtSession, StreamedLinesUntilStopped) {
  FakeBoard board;
  board.answer = [](const std::string& line) -> std::optional<std::string> {
    if (line == "AT+RUNIMPULSE")
      return "Inferencing settings\r\nPredictions: 1\r\nPredictions: 2\r\nPredictions: 3\r\n";
    if (line == "b") return "OK\r\n> ";
    return std::nullopt;
  };
  AtSession session(board);
  std::vector<std::string> lines;
  const auto on_line = [&lines](std::string_view line) {
    lines.emplace_back(line);
    return line != "Predictions: 2";
  };
  const auto streamed =
      run(session.stream_lines(*AtCommand::make("RUNIMPULSE"), on_line, Timeouts{Millis(10'000), Millis(0)}));
  ASSERT_TRUE(streamed) << streamed.error().message();
  EXPECT_EQ(lines, (std::vector<std::string>{"Inferencing settings", "Predictions: 1", "Predictions: 2"}));
  EXPECT_TRUE(run(session.config()));
}

RC_GTEST_PROP(AtSessionProperty, AnswersAreTheSameUnderAnyChunkingAndNoiseInFront, ()) {
  FakeBoard::Config config;
  config.max_chunk = *rc::gen::inRange<std::size_t>(1, 40);
  FakeBoard board(config);
  AtSession session(board);
  const auto noise = *rc::gen::container<std::string>(rc::gen::element('x', 'A', 'T', '+', '>', '\n', '\r', '[', 'C'));
  board.inject(noise, std::chrono::milliseconds(*rc::gen::inRange(0, 3)));
  const auto connected = run(session.connect());
  RC_ASSERT(connected.has_value());
  const auto info = run(session.config());
  RC_ASSERT(info.has_value());
  RC_ASSERT(info->sensors.size() == 1U);
  RC_ASSERT(info->api_key == "ei_1");
}

RC_GTEST_PROP(AtSessionProperty, EveryCallEndsWithinItsBoundsUnderFaults, ()) {
  FakeBoard::Config config;
  config.faults.drop = *rc::gen::inRange<std::uint32_t>(0, 60'000);
  config.faults.repeat = *rc::gen::inRange<std::uint32_t>(0, 60'000);
  config.faults.corrupt = *rc::gen::inRange<std::uint32_t>(0, 60'000);
  config.faults.seed = *rc::gen::arbitrary<std::uint32_t>();
  config.fast_baud = *rc::gen::element<std::uint32_t>(0, 921'600);
  config.echo = *rc::gen::arbitrary<bool>();
  FakeBoard board(config);
  board.sample = random_bytes(2000, config.faults.seed);
  AtSession session(board);
  const auto start = board.clock_.steady();
  static_cast<void>(run(session.connect()));
  RC_ASSERT(since(board, start) <= 20s);
  for (int i = 0; i < 3; ++i) {
    auto before = board.clock_.steady();
    static_cast<void>(run(session.config()));
    RC_ASSERT(since(board, before) <= 60s);
    static_cast<void>(run(session.info()));
    before = board.clock_.steady();
    const auto bytes = run(session.read_buffer(0, 2000));
    RC_ASSERT(since(board, before) <= 15min);
    if (bytes) RC_ASSERT(bytes->size() == 2000U);
  }
}

}  // namespace
}  // namespace tml::serial
