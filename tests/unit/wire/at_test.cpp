// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/at.hpp"

#include "common/wire/caps.hpp"
#include "common/wire/line_editor.hpp"
#include "tests/unit/wire/support.hpp"

namespace tml::wire {
namespace {

std::string form_name(AtForm form) { return form == AtForm::run ? "run" : form == AtForm::read ? "read" : "write"; }

std::string parsed(std::string_view line) {
  const auto request = parse_at_line(line);
  if (!request) return request.error() == AtRefusal::not_at ? "not_at" : "too_many";
  std::string text = form_name(request->form) + " " + std::string(request->name);
  for (const auto arg : request->arguments()) text += " [" + std::string(arg) + "]";
  return text;
}

TEST(AtLine, Table) {
  EXPECT_EQ(parsed("AT+HELP"), "run HELP");
  EXPECT_EQ(parsed(" \tAT+CONFIG? \r\n"), "read CONFIG");
  EXPECT_EQ(parsed("AT+SAMPLESETTINGS=idle,10.5,2000,key"), "write SAMPLESETTINGS [idle] [10.5] [2000] [key]");
  EXPECT_EQ(parsed("AT+WIFI=a,,3"), "write WIFI [a] [] [3]");
  EXPECT_EQ(parsed("AT+X="), "write X []");
  EXPECT_EQ(parsed("AT+X=a,"), "write X [a] []");
  EXPECT_EQ(parsed("AT+X=what?=1"), "write X [what?=1]");
  EXPECT_EQ(parsed("AT+X?=1"), "read X");
  EXPECT_EQ(parsed("AT+"), "run ");
  EXPECT_EQ(parsed("at+help"), "not_at");
  EXPECT_EQ(parsed(""), "not_at");
  EXPECT_EQ(parsed("b"), "not_at");
  EXPECT_EQ(parsed("AT+X=1,2,3,4,5,6,7,8,9,10"), "write X [1] [2] [3] [4] [5] [6] [7] [8] [9] [10]");
  EXPECT_EQ(parsed("AT+X=1,2,3,4,5,6,7,8,9,10,11"), "too_many");
}

std::string refusal(AtRefusal reason, std::string_view line) {
  std::string text;
  write_at_refusal(reason, line, [&text](std::string_view piece) { text += piece; });
  return text;
}

TEST(AtLine, RefusalTexts) {
  EXPECT_EQ(refusal(AtRefusal::not_at, ""), "Not a valid AT command ()\r\n");
  EXPECT_EQ(refusal(AtRefusal::not_at, " b \r"), "Not a valid AT command (b)\r\n");
  EXPECT_EQ(refusal(AtRefusal::unknown_command, "AT+FOO=1,2"), "Command not found! (AT+FOO)\r\n");
  EXPECT_EQ(refusal(AtRefusal::no_handler, "AT+HELP?"), "No handler for command! (AT+HELP?)\r\n");
  EXPECT_EQ(refusal(AtRefusal::not_at, "x> > y>"), "Not a valid AT command (x>_>_y>)\r\n");
}

TEST(AtLine, RefusalsNeverContainAPrompt) {
  EXPECT_TRUE(rc::check([] {
    const auto line = *rc::gen::container<std::string>(rc::gen::element('>', ' ', 'a', '='));
    RC_ASSERT(refusal(AtRefusal::not_at, line).find("> ") == std::string::npos);
    RC_ASSERT(refusal(AtRefusal::line_too_long, line).find("> ") == std::string::npos);
  }));
}

TEST(AtLine, ArgumentsRoundTrip) {
  EXPECT_TRUE(rc::check([] {
    const auto count = *rc::gen::inRange<std::size_t>(1, kMaxAtArguments + 1);
    std::string line = "AT+NAME=";
    std::vector<std::string> args;
    for (std::size_t i = 0; i < count; ++i) {
      args.push_back(*rc::gen::container<std::string>(rc::gen::element('a', '?', '=', '>', '"', '0')));
      line += (i > 0 ? "," : "") + args.back();
    }
    const auto request = parse_at_line(line);
    RC_ASSERT(request.has_value());
    RC_ASSERT(request->arg_count == count);
    for (std::size_t i = 0; i < count; ++i) RC_ASSERT(request->arg(i) == args[i]);
    RC_ASSERT(request->arg(count).empty());
  }));
}

struct Terminal {
  std::string out;
  std::string lines;
  struct Sink {
    std::string* text;
    void operator()(std::string_view piece) const { *text += piece; }
  } sink{&out};
  LineEditor<16, 2> editor{sink};

  /// Feeds keys; what was printed is returned, finished lines are collected.
  std::string keys(std::string_view input) {
    out.clear();
    for (const char c : input) {
      switch (editor.push(c)) {
        case LineEditorBase::Event::none:
          break;
        case LineEditorBase::Event::line:
          lines += "<" + std::string(editor.line()) + ">";
          break;
        case LineEditorBase::Event::overlong:
          lines += "<!>";
          break;
      }
    }
    return out;
  }
};

TEST(LineEditor, EchoesAndEnds) {
  Terminal t;
  EXPECT_EQ(t.keys("AT+X\n\x01\xff\r"), "AT+X\r\n");
  EXPECT_EQ(t.keys("\r"), "\r\n");
  EXPECT_EQ(t.lines, "<AT+X><>");
  EXPECT_EQ(t.editor.history_size(), 1U);
  t.out.clear();
  t.editor.prompt();
  EXPECT_EQ(t.out, "> ");
}

TEST(LineEditor, Backspace) {
  Terminal t;
  EXPECT_EQ(t.keys("\b"), "");
  EXPECT_EQ(t.keys("ab\x7f"), "ab\r\x1b[K> a\x1b[4G");
  EXPECT_EQ(t.keys("c\r"), "c\r\n");
  EXPECT_EQ(t.lines, "<ac>");
}

TEST(LineEditor, MovesInsertsDeletes) {
  Terminal t;
  EXPECT_EQ(t.keys("abc\x1b[D"), "abc\x1b[s\x1b[u\x1b[D");
  EXPECT_EQ(t.keys("X"), "\r\x1b[K> abXc\x1b[6G");
  EXPECT_EQ(t.keys("\x1b[H"), "\x1b[s\r\x1b[K> abXc\x1b[3G");
  EXPECT_EQ(t.keys("\x1b[3~"), "\x1b[s\r\x1b[K> bXc\x1b[3G");
  EXPECT_EQ(t.keys("\x1b[C"), "\x1b[s\x1b[u\x1b[C");
  EXPECT_EQ(t.keys("\x1b[F"), "\x1b[s\r\x1b[K> bXc\x1b[6G");
  EXPECT_EQ(t.keys("\x1b[C"), "\x1b[s\x1b[u") << "at the end there is nowhere to go";
  EXPECT_EQ(t.keys("!\r"), "!\r\n");
  EXPECT_EQ(t.lines, "<bXc!>");
}

TEST(LineEditor, HistoryOfTwo) {
  Terminal t;
  t.keys("one\rtwo\rthree\r");
  EXPECT_EQ(t.keys("\x1b[A"), "\x1b[s\x1b[u\x1b[2K\r> three");
  EXPECT_EQ(t.keys("\x1b[A"), "\x1b[s\x1b[u\x1b[2K\r> two");
  EXPECT_EQ(t.keys("\x1b[A"), "\x1b[s\x1b[u") << "one was pushed out";
  EXPECT_EQ(t.keys("\x1b[B"), "\x1b[s\x1b[u\x1b[2K\r> three");
  EXPECT_EQ(t.keys("\x1b[B"), "\x1b[s\x1b[u\x1b[2K\r> ");
  t.keys("\x1b[A\x1b[A\r");
  EXPECT_EQ(t.lines, "<one><two><three><two>");
}

TEST(LineEditor, UnknownSequencesComeBack) {
  Terminal t;
  EXPECT_EQ(t.keys("\x1b[5~"), "\x1b[s\x1b[5~");
  EXPECT_EQ(t.keys("\x1b[> q"), "\x1b[s\x1b[>_q");
}

TEST(LineEditor, BrokenSequencesDoNotSwallowTheNextCommand) {
  Terminal t;
  t.keys("\x1b\rAT\r\x1b[111111111111111111");
  t.keys("\rX\r");
  EXPECT_EQ(t.lines.substr(0, 6), "<><AT>");
  EXPECT_EQ(t.lines.substr(t.lines.size() - 3), "<X>");
}

TEST(LineEditor, OverlongLinesAreEchoedButRefused) {
  Terminal t;
  EXPECT_EQ(t.keys("0123456789abcdefg\r"), "0123456789abcdefg\r\n");
  EXPECT_EQ(t.lines, "<!>");
  t.keys("0123456789abcdef\r");
  EXPECT_EQ(t.lines, "<!><0123456789abcdef>");
}

TEST(LineEditor, SurvivesAnyKeysAndKeepsItsInvariant) {
  EXPECT_TRUE(rc::check([] {
    const auto keys = *rc::gen::container<std::string>(
        rc::gen::element('\x1b', '[', 'A', 'B', 'C', 'D', 'H', 'F', '3', '~', '\b', '\r', 'x', ' ', '>', '\x7f'));
    Terminal t;
    t.keys(keys);
    t.keys("\x18\r");
    t.lines.clear();
    RC_ASSERT(t.keys("AT+OK\r") == "AT+OK\r\n");
    RC_ASSERT(t.lines == "<AT+OK>");
  }));
}

TEST(Caps, RoundTripAndForeignBoards) {
  for (const Caps caps :
       {Caps{true, false}, Caps{false, true}, Caps{true, true}, Caps{.streams = true}, Caps{true, true, true}}) {
    std::string text = "***\nUsed sensor : x\n";
    write_caps(caps, [&text](std::string_view piece) { text += piece; });
    EXPECT_EQ(find_caps(text), caps);
  }
  std::string none;
  write_caps(Caps{}, [&none](std::string_view piece) { none += piece; });
  EXPECT_EQ(none, "");
  EXPECT_EQ(find_caps("TML model: x\n"), Caps{});
  EXPECT_EQ(parse_caps_line("TML caps: later, files ranges2"), (Caps{false, true}));
}

}  // namespace
}  // namespace tml::wire
