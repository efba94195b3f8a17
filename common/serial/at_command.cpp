// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <algorithm>

#include "common/serial/at_types.hpp"
#include "common/wire/at_host.hpp"

namespace tml::serial {
namespace {

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 40 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kBlank) - first + 1));
}

tl::unexpected<Error> refuse(std::string_view field, wire::ValueRule rule) {
  const Errc code = rule == wire::ValueRule::too_long ? Errc::limit : Errc::usage;
  std::string what(field);
  what += ' ';
  what += wire::value_rule_text(rule);
  return fail(code, std::move(what), std::string(field), "Nothing was sent; choose another value");
}

}  // namespace

std::string AtVersion::text() const {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

bool DeviceInfo::has_hmac_key() const { return !hmac_key.empty() && hmac_key != "please-set-me"; }

bool InfoReply::has(std::string_view cap) const { return std::find(caps.begin(), caps.end(), cap) != caps.end(); }

bool AtReply::ok() const { return wire::judge_reply(text).ok; }

std::optional<std::string> AtReply::refusal() const {
  const std::string_view line = wire::judge_reply(text).error_line;
  if (line.empty()) return std::nullopt;
  return trimmed(line);
}

Result<AtCommand> AtCommand::make(std::string_view name, Form form) {
  if (!is_name(name)) return fail(Errc::usage, "not the name of an AT command", std::string(name));
  AtCommand command;
  command.line_ = "AT+" + std::string(name);
  if (form == Form::read) command.line_ += '?';
  command.shown_ = command.line_;
  return command;
}

Result<AtCommand> AtCommand::make(std::string_view name, const std::vector<Arg>& args) {
  auto made = make(name);
  if (!made) return made;
  AtCommand command = std::move(*made);
  char separator = '=';
  for (const Arg& arg : args) {
    const std::string field(arg.field);
    if (arg.value.empty() && !arg.may_be_empty) return fail(Errc::usage, field + " must not be empty", field);
    if (arg.value.size() > arg.max_size) {
      return fail(Errc::limit,
                  field + " is longer than the " + std::to_string(arg.max_size) + " characters that a board stores",
                  field);
    }
    if (const auto fault = wire::check_at_value(arg.value)) return refuse(arg.field, fault->rule);
    // A board strips blanks at both ends of a line or value; what it stores would differ from what was asked for.
    if (!arg.value.empty() && (arg.value.front() == ' ' || arg.value.back() == ' ')) {
      return fail(Errc::usage, field + " begins or ends with a blank, which boards drop", field,
                  "Nothing was sent; choose another value");
    }
    command.line_ += separator;
    command.line_ += arg.value;
    command.shown_ += separator;
    command.shown_ += arg.secret && !arg.value.empty() ? std::string_view("***") : arg.value;
    separator = ',';
  }
  if (command.line_.size() > wire::AtCommandBuilder::kMaxLine) return refuse(name, wire::ValueRule::too_long);
  return command;
}

Result<AtCommand> AtCommand::raw(std::string_view line) {
  const std::string text = trimmed(line);
  if (text.empty()) return fail(Errc::usage, "command is empty", "command");
  if (text.size() > wire::AtCommandBuilder::kMaxLine) return refuse("command", wire::ValueRule::too_long);
  // The same rules as for values, but commas belong to a whole line.
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    if (const auto fault = wire::check_at_value(std::string_view(text).substr(begin, comma - begin)))
      return refuse("command", fault->rule);
    begin = comma + 1;
  }
  AtCommand command;
  command.line_ = text;
  // A typed line may hold a key; only its name is fit for messages.
  const std::size_t equals = text.find('=');
  command.shown_ = equals == std::string::npos ? text : text.substr(0, equals) + "=...";
  return command;
}

std::string AtCommand::describe() const { return shown_; }

}  // namespace tml::serial
