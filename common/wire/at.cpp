// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/at.hpp"

#include "common/wire/text.hpp"

namespace tml::wire {
namespace {

std::string_view strip(std::string_view line) {
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  return line;
}

constexpr std::string_view kPrefix = "AT+";

}  // namespace

tl::expected<AtRequest, AtRefusal> parse_at_line(std::string_view line) {
  AtRequest request;
  request.line = strip(line);
  if (!request.line.starts_with(kPrefix)) return tl::unexpected<AtRefusal>(AtRefusal::not_at);
  std::string_view rest = request.line.substr(kPrefix.size());
  const auto mark = rest.find_first_of("?=");
  request.name = rest.substr(0, mark);
  if (mark == std::string_view::npos) return request;
  if (rest[mark] == '?') {
    request.form = AtForm::read;
    return request;
  }
  request.form = AtForm::write;
  rest.remove_prefix(mark + 1);
  for (;;) {
    if (request.arg_count == kMaxAtArguments) return tl::unexpected<AtRefusal>(AtRefusal::too_many_arguments);
    const auto comma = rest.find(',');
    request.args[request.arg_count++] = rest.substr(0, comma);
    if (comma == std::string_view::npos) return request;
    rest.remove_prefix(comma + 1);
  }
}

void write_without_prompt(std::string_view text, TextSink out) {
  for (;;) {
    const auto at = text.find(kPrompt);
    if (at == std::string_view::npos) break;
    out(text.substr(0, at + 1));
    out("_");
    text.remove_prefix(at + kPrompt.size());
  }
  if (!text.empty()) out(text);
}

void write_at_refusal(AtRefusal refusal, std::string_view line, TextSink out) {
  line = strip(line);
  switch (refusal) {
    case AtRefusal::not_at:
      out("Not a valid AT command (");
      break;
    case AtRefusal::unknown_command:
      out("Command not found! (");
      line = line.substr(0, line.find_first_of("?="));
      break;
    case AtRefusal::no_handler:
      out("No handler for command! (");
      break;
    case AtRefusal::too_many_arguments:
      out("ERR: more than 10 arguments (");
      break;
    case AtRefusal::line_too_long:
      out("ERR: line too long (");
      break;
  }
  write_without_prompt(line, out);
  out(")\r\n");
}

}  // namespace tml::wire
