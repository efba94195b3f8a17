// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/wire/at_host.hpp"

#include "common/wire/number.hpp"
#include "common/wire/text.hpp"

namespace tml::wire {

std::string_view value_rule_text(ValueRule rule) {
  switch (rule) {
    case ValueRule::carriage_return:
      return "contains a carriage return, which would end the command";
    case ValueRule::line_feed:
      return "contains a line feed, which the board drops";
    case ValueRule::comma:
      return "contains a comma, which would split the argument";
    case ValueRule::prompt:
      return "contains \"> \", which looks like the end of an answer";
    case ValueRule::control_character:
      return "contains a control character, which the board would act upon or drop";
    case ValueRule::not_ascii:
      return "contains a character that is not printable ASCII, which the board drops";
    case ValueRule::trailing_blank:
      return "ends in a blank, which the board strips";
    case ValueRule::too_long:
      return "makes the command too long";
    case ValueRule::bad_number:
      return "is not a number that can be sent";
  }
  return "is not allowed";
}

std::optional<ValueFault> check_at_value(std::string_view value) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    const auto byte = static_cast<std::uint8_t>(c);
    if (c == '\r') return ValueFault{ValueRule::carriage_return, 0, i};
    if (c == '\n') return ValueFault{ValueRule::line_feed, 0, i};
    if (c == ',') return ValueFault{ValueRule::comma, 0, i};
    if (c == '>' && i + 1 < value.size() && value[i + 1] == ' ') return ValueFault{ValueRule::prompt, 0, i};
    if (byte < 0x20 || byte == 0x7F) return ValueFault{ValueRule::control_character, 0, i};
    if (byte > 0x7F) return ValueFault{ValueRule::not_ascii, 0, i};
  }
  return std::nullopt;
}

AtCommandBuilder::AtCommandBuilder(std::string_view name) {
  append("AT+");
  append(name);
}

void AtCommandBuilder::fault(ValueRule rule, std::size_t position) {
  if (!fault_) fault_ = ValueFault{rule, arguments_ == 0 ? 0 : arguments_ - 1, position};
}

void AtCommandBuilder::append(std::string_view text) {
  if (text.size() > line_.size() - size_) return fault(ValueRule::too_long, line_.size() - size_);
  for (const char c : text) line_[size_++] = c;
}

void AtCommandBuilder::begin_argument() { append(arguments_++ == 0 ? "=" : ","); }

AtCommandBuilder& AtCommandBuilder::read() {
  append("?");
  return *this;
}

AtCommandBuilder& AtCommandBuilder::arg(std::string_view value) {
  begin_argument();
  if (const auto found = check_at_value(value)) fault(found->rule, found->position);
  append(value);
  return *this;
}

AtCommandBuilder& AtCommandBuilder::arg(std::uint64_t value) {
  std::array<char, 20> digits{};
  const auto size = format_unsigned(value, digits);
  return arg(std::string_view(digits.data(), size.value_or(0)));
}

AtCommandBuilder& AtCommandBuilder::arg_decimal(double value, unsigned decimals) {
  std::array<char, 32> digits{};
  const auto size = format_fixed(value, decimals, digits);
  if (!size) {
    begin_argument();
    fault(ValueRule::bad_number, 0);
    return *this;
  }
  std::string_view text(digits.data(), *size);
  if (contains(text, ".")) {
    while (text.back() == '0') text.remove_suffix(1);
    if (text.back() == '.') text.remove_suffix(1);
  }
  return arg(text);
}

tl::expected<std::string_view, ValueFault> AtCommandBuilder::line() const {
  if (fault_) return tl::unexpected<ValueFault>(*fault_);
  if (arguments_ > 0 && size_ > 0 && line_[size_ - 1] == ' ') {
    const std::string_view text(line_.data(), size_);
    const std::size_t start = text.find_last_of(",=") + 1;
    return tl::unexpected<ValueFault>(ValueFault{ValueRule::trailing_blank, arguments_ - 1, size_ - 1 - start});
  }
  return std::string_view(line_.data(), size_);
}

TransferPlan plan_transfer(AtVersion version, std::uint32_t transfer_baud, TransferKind kind) {
  constexpr AtVersion kFirstSwitching{1, 4, 0};
  constexpr AtVersion kFirstExplicit{1, 6, 0};
  TransferPlan plan;
  const bool is_explicit = version >= kFirstExplicit;
  if (transfer_baud == 0 || transfer_baud == kDefaultBaud) {
    plan.argument = is_explicit ? 'n' : '\0';
    return plan;
  }
  if (is_explicit) {
    plan.switch_rate = true;
    plan.argument = 'y';
    plan.waits_for_ok = kind != TransferKind::run_impulse_debug;
    return plan;
  }
  plan.switch_rate = version >= kFirstSwitching && kind == TransferKind::snapshot;
  return plan;
}

Result<std::size_t> append_transfer_argument(std::string_view command, char argument, std::span<char> out) {
  const std::size_t extra = argument == 0 ? 0 : 2;
  if (command.size() + extra > out.size()) return fail(Errc::overflow);
  std::size_t size = 0;
  for (const char c : command) out[size++] = c;
  if (argument == 0) return size;
  out[size++] = ',';
  out[size++] = argument;
  const std::string_view text(out.data(), size);
  std::size_t drop = std::string_view::npos;
  if (!contains(text, "=")) {
    out[text.find(',')] = '=';
  } else if (const auto pair = text.find("=,"); pair != std::string_view::npos) {
    drop = pair + 1;
  }
  if (drop == std::string_view::npos) return size;
  for (std::size_t i = drop; i + 1 < size; ++i) out[i] = out[i + 1];
  return size - 1;
}

namespace {

bool is_error_line(std::string_view line) {
  constexpr std::array<std::string_view, 6> kStarts = {"Command not found!", "No handler for", "Failed to ",
                                                       "Missing argument",   "ERROR",          "Error "};
  constexpr std::array<std::string_view, 5> kAnywhere = {"ERR:", "Not a valid AT command", "could not be unlinked",
                                                         "does not exist", "AT+NACK"};
  for (const auto text : kStarts) {
    if (line.starts_with(text)) return true;
  }
  for (const auto text : kAnywhere) {
    if (contains(line, text)) return true;
  }
  return false;
}

std::optional<std::uint64_t> number_after(std::string_view text, std::string_view name) {
  const auto at = text.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(at + name.size());
  const auto end = text.find_first_not_of("0123456789");
  const auto value = parse_unsigned(text.substr(0, end));
  if (!value) return std::nullopt;
  return *value;
}

}  // namespace

ReplyVerdict judge_reply(std::string_view body) {
  ReplyVerdict verdict;
  LineCursor lines(body);
  while (const auto raw = lines.next()) {
    const auto line = trim(*raw);
    if (verdict.error_line.empty() && is_error_line(line)) verdict.error_line = line;
    verdict.ok = verdict.ok || line == "OK" || line.ends_with(" OK") || line.ends_with(".OK");
  }
  if (!verdict.error_line.empty()) verdict.ok = false;
  return verdict;
}

SamplingReport parse_sampling_report(std::string_view body) {
  constexpr std::string_view kFileName = "File name:";
  SamplingReport report;
  bool not_uploading = false;
  bool used_buffer = false;
  LineCursor lines(body);
  while (const auto raw = lines.next()) {
    const auto line = trim(*raw);
    if (report.error_line.empty() && is_error_line(line)) report.error_line = line;
    if (report.file_name.empty() && contains(line, kFileName)) {
      // Between the first and the second colon of the line, as the incumbent reads it.
      auto name = line.substr(line.find(':') + 1);
      name = name.substr(0, name.find(':'));
      report.file_name = trim(name);
    }
    not_uploading = not_uploading || contains(line, "Not uploading file");
    used_buffer = used_buffer || contains(line, "Used buffer");
  }
  report.device_uploads = !not_uploading;
  if (not_uploading && used_buffer) {
    const auto from = number_after(body, "from=");
    const auto to = number_after(body, "to=");
    if (from && to && *from <= *to) report.buffer = UsedBuffer{*from, *to};
  }
  return report;
}

}  // namespace tml::wire
