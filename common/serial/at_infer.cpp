// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <algorithm>
#include <charconv>
#include <cstring>

#include "common/serial/at_session_impl.hpp"
#include "common/wire/base64.hpp"

namespace tml::serial {
namespace {

using Event = wire::ResponseScanner::Event;
using Nanos = std::chrono::nanoseconds;

// A board that acknowledges a block at all does so when the block has come; one that classifies may be slow.
constexpr Nanos kBlockLimit = std::chrono::seconds(5);
constexpr Nanos kResultLimit = std::chrono::seconds(60);
constexpr std::size_t kMaxLine = 4096;
constexpr std::size_t kMaxLines = 4096;
constexpr std::uint32_t kMaxBlock = 65'536;

std::optional<std::uint32_t> number_behind(std::string_view line, std::string_view words) {
  const std::size_t at = line.find(words);
  if (at == std::string_view::npos) return std::nullopt;
  line.remove_prefix(at + words.size());
  while (line.starts_with(' ')) line.remove_prefix(1);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

std::vector<std::byte> bytes_of(std::span<const float> values) {
  std::vector<std::byte> bytes(values.size() * 4);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint32_t word = 0;
    std::memcpy(&word, &values[i], 4);
    for (unsigned b = 0; b < 4; ++b) bytes[i * 4 + b] = static_cast<std::byte>(word >> (8 * b));
  }
  return bytes;
}

std::string encode(std::span<const std::byte> bytes) {
  std::string text(wire::base64_encoded_size(bytes.size()), '\0');
  // The buffer has the size that the encoder asks for.
  if (!wire::base64_encode(bytes, text)) text.clear();
  return text;
}

}  // namespace

Awaitable<Result<std::string>> AtSession::Impl::next_line(Nanos deadline) {
  FrameLine line;
  for (;;) {
    if (take_line(line, kMaxLine)) co_return std::move(line.text);
    auto filled = co_await line_.fill(deadline);
    if (!filled) co_return pass(std::move(filled.error()));
  }
}

Awaitable<Result<StaticReply>> AtSession::Impl::send_block(AtCommand block_command, std::span<const std::byte> bytes,
                                                           std::size_t items, const ReadProgressFn& on_progress) {
  const AtCommand* command = &block_command;
  const std::string count = std::to_string(items);
  auto ready = co_await ensure_step();
  if (!ready) co_return pass(std::move(ready.error()));
  std::array<char, 64> memory;
  wire::ResponseScanner scanner(memory);
  const Budget typing = line_.budget(Timeouts{});
  auto typed = co_await line_.type(command->line(), scanner, {}, typing);
  if (!typed) co_return pass(std::move(typed.error()));
  while (!line_.typed_blind()) {
    auto event = co_await line_.next_event(scanner, typing);
    if (!event) co_return pass(std::move(event.error()));
    if (*event == Event::echo || *event == Event::prompt) break;
  }

  StaticReply reply;
  const std::string text = encode(bytes);
  std::size_t sent = 0;
  std::uint32_t block = 0;
  bool complete = false;
  for (;;) {
    const bool sending = !complete;
    auto line = co_await next_line(line_.now() + (sending ? kBlockLimit : kResultLimit));
    if (!line) co_return pass(std::move(line.error()));
    if (*line == "> ") break;
    if (*line == command->line()) continue;  // A board that echoes, seen before that was known.
    if (const auto expected = number_behind(*line, "Expected ")) reply.expected = *expected;
    if (line->starts_with("TIMEOUT")) {
      co_return fail(Errc::garbage, "board lost part of the window on its way", stream_.name());
    }
    if (line->starts_with("END OUTPUT")) continue;
    if (const auto code = number_behind(*line, "RESULT "); code && complete) {
      reply.code = static_cast<int>(*code);
      continue;
    }
    if (line->starts_with("TRANSFER COMPLETED")) {
      complete = true;
      const auto arrived = number_behind(*line, "COMPLETED");
      if (arrived && *arrived != items) {
        co_return fail(Errc::garbage, "board counted " + std::to_string(*arrived) + " of " + count + " values",
                       stream_.name());
      }
      continue;
    }
    const auto chunk = number_behind(*line, "OK CHUNK=");
    if (chunk) block = std::clamp<std::uint32_t>(*chunk, 4, kMaxBlock);
    const bool go_on = block > 0 && sending && line->starts_with("OK");
    if (!go_on) {
      if (reply.lines.size() < kMaxLines) reply.lines.push_back(*std::move(line));
      continue;
    }
    if (on_progress) on_progress(sent, text.size());
    if (sent >= text.size()) continue;
    const std::string_view next = std::string_view(text).substr(sent, block);
    sent += next.size();
    auto written = co_await line_.write(next);
    if (!written) co_return pass(std::move(written.error()));
  }
  if (!complete && reply.expected == 0) {
    std::string words;
    for (const std::string& line : reply.lines) words += (words.empty() ? "" : " ") + line;
    co_return pass(refused(*command, words));
  }
  co_return reply;
}

Awaitable<Result<StaticReply>> AtSession::classify(std::vector<float> values, bool debug, ReadProgressFn on_progress) {
  const std::string count = std::to_string(values.size());
  const std::vector<AtCommand::Arg> args = {{"debug", debug ? "y" : "n"}, {"count", count}};
  const auto command = AtCommand::make("RUNIMPULSESTATIC", args);
  if (!command) co_return pass(command.error());
  const std::vector<std::byte> bytes = bytes_of(values);
  const std::size_t items = values.size();
  const auto operation = [impl = impl_.get(), &command, &bytes, items, &on_progress]() {
    return impl->send_block(*command, bytes, items, on_progress);
  };
  auto result = co_await impl_->exclusive<StaticReply>(operation);
  co_return result;
}

Awaitable<Result<StaticReply>> AtSession::run_model(std::string slot, std::vector<std::byte> input,
                                                    ReadProgressFn on_progress) {
  const std::string count = std::to_string(input.size());
  const std::vector<AtCommand::Arg> args = {{"slot", slot}, {"count", count}};
  const auto command = AtCommand::make("RUNMODEL", args);
  if (!command) co_return pass(command.error());
  const auto operation = [impl = impl_.get(), &command, &input, &on_progress]() {
    return impl->send_block(*command, input, input.size(), on_progress);
  };
  auto result = co_await impl_->exclusive<StaticReply>(operation);
  co_return result;
}

}  // namespace tml::serial
