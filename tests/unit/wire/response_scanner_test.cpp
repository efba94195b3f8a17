// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/response_scanner.hpp"

#include "tests/unit/wire/support.hpp"

namespace tml::wire {
namespace {

std::string event_name(const ResponseScanner& scanner, ResponseScanner::Event event) {
  static constexpr std::array<std::string_view, 5> kMarkers = {"sampling", "done_sampling", "processing",
                                                               "done_processing", "uploading"};
  switch (event) {
    case ResponseScanner::Event::none:
      return "none ";
    case ResponseScanner::Event::echo:
      return "echo ";
    case ResponseScanner::Event::stray_prompt:
      return "stray ";
    case ResponseScanner::Event::marker:
      return std::string(kMarkers[static_cast<std::size_t>(scanner.marker())]) + " ";
    case ResponseScanner::Event::switch_ok:
      return "switch_ok ";
    case ResponseScanner::Event::data_end:
      return "data_end ";
    case ResponseScanner::Event::prompt:
      return "prompt ";
  }
  return "?";
}

struct Scan {
  explicit Scan(std::size_t body_size = 4096) : memory(body_size, '\0'), scanner(memory) {}

  void begin(std::string_view command, ResponseScanner::Mode mode = ResponseScanner::Mode::plain, bool stream = false,
             bool echo = true) {
    ResponseScanner::Options options;
    options.mode = mode;
    options.echo = echo;
    if (stream) options.stream_body = TextSink(sink);
    scanner.begin(command, options);
  }
  std::string feed(std::string_view input) {
    std::string events;
    while (!input.empty()) {
      const auto step = scanner.feed(input);
      if (step.event == ResponseScanner::Event::none) {
        input.remove_prefix(step.consumed);
        break;
      }
      events += event_name(scanner, step.event);
      input.remove_prefix(step.consumed);
    }
    rest = input;
    return events;
  }

  struct Sink {
    std::string* text;
    void operator()(std::string_view piece) const { *text += piece; }
  };
  std::string memory;
  std::string streamed;
  std::string rest;
  Sink sink{&streamed};
  ResponseScanner scanner;
};

using Mode = ResponseScanner::Mode;

TEST(Scanner, PlainCommand) {
  Scan s;
  s.begin("AT+CONFIG?");
  EXPECT_EQ(s.feed("AT+CONFIG?\r\nLabel: a> b\n\n> tail"), "echo prompt ");
  EXPECT_EQ(s.scanner.body(), "Label: a> b\n\n");
  EXPECT_EQ(s.rest, "tail") << "what follows the prompt is not taken";
}

TEST(Scanner, NoiseAndStalePromptsBeforeTheEcho) {
  Scan s;
  s.begin("AT+X");
  EXPECT_EQ(s.feed("\x02\xff>Not a valid\r\n> AT+AT+AT+X\r\nOK\r\n> "), "stray echo prompt ");
  EXPECT_EQ(s.scanner.body(), "OK\r\n");
  EXPECT_EQ(s.scanner.noise_bytes(), 14U + 6U);
}

TEST(Scanner, EchoClocksTheWrites) {
  Scan s;
  s.begin("AABAAC");
  for (const auto& [input, matched] :
       std::vector<std::pair<std::string_view, std::size_t>>{{"AAB", 3}, {"AA", 5}, {"B", 3}, {"AAC", 6}}) {
    EXPECT_EQ(s.feed(input), "");
    EXPECT_EQ(s.scanner.echoed(), matched) << input;
  }
  EXPECT_EQ(s.feed("\r"), "echo ");
}

TEST(Scanner, DamagedEchoNeverMatches) {
  Scan s;
  s.begin("AT+CONFIG?");
  EXPECT_EQ(s.feed("AT+CNFIG?\r\nNot a valid AT command\r\n> "), "stray ");
}

TEST(Scanner, EmptyAnswerWithPromptStraightBehindTheEcho) {
  Scan s;
  s.begin("AT+UNLINKFILE=x");
  EXPECT_EQ(s.feed("AT+UNLINKFILE=x\r\n> "), "echo prompt ");
  EXPECT_EQ(s.scanner.body(), "");
}

TEST(Scanner, PromptInsideALineIsOnlyPending) {
  Scan s;
  s.begin("AT+X");
  EXPECT_EQ(s.feed("AT+X\r\nOK> "), "echo ");
  EXPECT_EQ(s.scanner.pending(), ResponseScanner::Pending::prompt);
  EXPECT_EQ(s.feed("more"), "");
  EXPECT_EQ(s.scanner.pending(), ResponseScanner::Pending::none);
  EXPECT_EQ(s.feed("> "), "");
  EXPECT_EQ(s.scanner.accept_pending(), ResponseScanner::Event::prompt);
  EXPECT_EQ(s.scanner.body(), "OK> more");
  EXPECT_EQ(s.scanner.accept_pending(), ResponseScanner::Event::none);
}

TEST(Scanner, HandshakeTakesAnyPrompt) {
  Scan s;
  s.begin("");
  EXPECT_EQ(s.feed("garb\xff\r\nb\r\nNot a valid AT command (b)\r\n> "), "prompt ");
}

TEST(Scanner, Markers) {
  Scan s;
  s.begin("AT+SAMPLESTART=a");
  EXPECT_EQ(s.feed("AT+SAMPLESTART=a\r\nSampling settings:\nSampling...\nDone sampling, total\nSampling...\n[1/1] "
                   "Uploading file to "
                   "Edge...\nProcessing...\nDone processing\nUploading...\nOK\n> "),
            "echo sampling done_sampling processing done_processing uploading prompt ");
}

TEST(Scanner, SwitchedReadOut) {
  Scan s;
  s.begin("AT+READBUFFER=0,9,y", Mode::switched, true);
  EXPECT_EQ(s.feed("AT+READBUFFER=0,9,y\r\nOK\r\nOKxxQUJD\r\nOK\r\n\xf1\x01\r\n> "), "echo switch_ok data_end prompt ");
  EXPECT_EQ(s.streamed, "OKxxQUJD") << "a payload may begin with OK";
}

TEST(Scanner, SwitchedReadOutThatFails) {
  Scan s;
  s.begin("AT+READFILE=x,y", Mode::switched, true);
  EXPECT_EQ(s.feed("AT+READFILE=x,y\r\nFile 'x' does not exist\r\n> "), "echo prompt ");
  EXPECT_EQ(s.scanner.body(), "File 'x' does not exist\r\n");
  EXPECT_EQ(s.streamed, "");
}

TEST(Scanner, DataEndWithoutItsLineEndIsPending) {
  Scan s;
  s.begin("AT+R", Mode::switched, true);
  EXPECT_EQ(s.feed("AT+R\r\nOK\r\nQUJD\r\nOK"), "echo switch_ok ");
  EXPECT_EQ(s.scanner.pending(), ResponseScanner::Pending::data_end);
  EXPECT_EQ(s.scanner.accept_pending(), ResponseScanner::Event::data_end);
  EXPECT_EQ(s.feed("\n> "), "prompt ");
  EXPECT_EQ(s.streamed, "QUJD");
}

TEST(Scanner, PlainReadOutDropsOkLines) {
  Scan s;
  s.begin("AT+R", Mode::plain, true);
  EXPECT_EQ(s.feed("AT+R\r\nQUJD\r\nQU>JD\r\nOKA\r\nOK\r\n> "), "echo prompt ");
  EXPECT_EQ(s.streamed, "QUJDQU>JDOKA");
}

TEST(Scanner, StreamEndsOnlyAfterStop) {
  Scan s;
  s.begin("AT+SNAPSHOTSTREAM=1,1,y", Mode::stream, true);
  EXPECT_EQ(s.feed("AT+SNAPSHOTSTREAM=1,1,y\r\nOK\r\nAAAA\r\nOK\r\nBBBB\r\n"), "echo switch_ok ");
  s.scanner.expect_stop();
  EXPECT_EQ(s.feed("stopped\r\nOK\r\n\r\n> "), "data_end prompt ");
  EXPECT_NE(s.streamed.find("AAAA\n"), std::string::npos);
  EXPECT_NE(s.streamed.find("BBBB\n"), std::string::npos);
  EXPECT_EQ(s.streamed.find("OK"), std::string::npos);
}

TEST(Scanner, OverflowKeepsTheLineInStep) {
  Scan s(8);
  s.begin("AT+X");
  EXPECT_EQ(s.feed("AT+X\r\n0123456789\r\n> "), "echo prompt ");
  EXPECT_TRUE(s.scanner.overflowed());
  EXPECT_EQ(s.scanner.body(), "01234567");
  EXPECT_EQ(s.scanner.body_bytes(), 12U);
}

TEST(Scanner, BoardWithoutEcho) {
  Scan s;
  s.begin("AT+X", Mode::plain, false, false);
  EXPECT_EQ(s.feed("OK\r\n> "), "prompt ");
  EXPECT_EQ(s.scanner.body(), "OK\r\n");
}

TEST(Scanner, AnyCuttingGivesTheSame) {
  EXPECT_TRUE(rc::check([] {
    const auto noise = *rc::gen::container<std::string>(rc::gen::element('A', 'T', '+', '>', ' ', '\r', '\n', 'x'));
    const auto payload = *rc::gen::container<std::string>(rc::gen::element('A', 'O', 'K', '>', ' ', '\r', '\n', '='));
    const bool stream = *rc::gen::arbitrary<bool>();
    const auto mode = *rc::gen::element(Mode::plain, Mode::switched, Mode::stream);
    const std::string whole = noise + "AT+R\r\nOK\r\n" + payload + "\r\nOK\r\n> ";
    Scan once;
    once.begin("AT+R", mode, stream);
    const auto expected = once.feed(whole);
    Scan pieces;
    pieces.begin("AT+R", mode, stream);
    std::string events;
    for (const auto& piece : test::cut(whole)) events += pieces.feed(piece);
    RC_ASSERT(events == expected);
    RC_ASSERT(pieces.scanner.body() == once.scanner.body());
    RC_ASSERT(pieces.streamed == once.streamed);
    RC_ASSERT(pieces.scanner.pending() == once.scanner.pending());
  }));
}

TEST(Scanner, StreamedPayloadIsExact) {
  EXPECT_TRUE(rc::check([] {
    const auto payload =
        *rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::element('A', 'b', 'O', 'K', '+', '/', '9')));
    RC_PRE(payload != "OK" && payload != "OKOK");
    Scan s;
    s.begin("AT+R", Mode::switched, true);
    const auto events = s.feed("AT+R\r\nOK\r\n" + payload + "\r\nOK\r\n\r\n> ");
    RC_ASSERT(events == "echo switch_ok data_end prompt ");
    RC_ASSERT(s.streamed == payload);
  }));
}

}  // namespace
}  // namespace tml::wire
