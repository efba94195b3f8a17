// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/at.hpp"
#include "common/wire/at_host.hpp"
#include "common/wire/caps.hpp"
#include "common/wire/line_editor.hpp"
#include "tests/fuzz/wire/input.hpp"

// Any key strokes: lines stay bounded and an aborted sequence never eats the next command; the host's judges take any
// text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tml::wire;
  const std::string_view text = as_text(fuzz::bytes(data, size));
  std::size_t printed = 0;
  auto sink = [&printed](std::string_view piece) { printed += piece.size(); };
  LineEditor<32, 3> editor{TextSink(sink)};
  for (const char c : text) {
    const auto event = editor.push(c);
    if (event == LineEditorBase::Event::none) continue;
    fuzz::require(editor.line().size() <= 32);
    const auto request = parse_at_line(editor.line());
    if (request) {
      fuzz::require(request->arg_count <= kMaxAtArguments);
    } else {
      write_at_refusal(request.error(), editor.line(), sink);
    }
    editor.prompt();
  }
  (void)editor.push('\x18');
  (void)editor.push('\r');
  for (const char c : std::string_view("AT+A=1")) fuzz::require(editor.push(c) == LineEditorBase::Event::none);
  fuzz::require(editor.push('\r') == LineEditorBase::Event::line && editor.line() == "AT+A=1");

  (void)parse_sampling_report(text);
  (void)judge_reply(text);
  (void)find_caps(text);
  AtCommandBuilder builder("N");
  const auto line = builder.arg(text).line();
  if (line) fuzz::require(parse_at_line(*line)->arg(0) == text);
  return 0;
}
