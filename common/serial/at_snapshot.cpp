// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <algorithm>

#include "common/serial/at_session_impl.hpp"
#include "common/serial/snapshot_reply.hpp"
#include "common/wire/at_host.hpp"

namespace tml::serial {
namespace {

using Event = wire::ResponseScanner::Event;
using Nanos = std::chrono::nanoseconds;

// Wire reference 1.7 and 1.8.
constexpr Nanos kSwitchLimit = std::chrono::seconds(1);
constexpr Nanos kSnapshotFloor = std::chrono::seconds(70);
constexpr Nanos kStopLimit = std::chrono::seconds(5);
/// A board that takes pictures but sends none: a camera has its exposure, a slow line its first characters by then.
constexpr Nanos kStreamIdle = std::chrono::seconds(15);
constexpr std::size_t kReplyRoom = 4096;
/// Of a picture at the faster rate, before it is taken at the base rate.
constexpr unsigned kFastAttempts = 2;

Result<void> check(SnapshotSize size, const std::string& where) {
  const std::uint64_t pixels = std::uint64_t{size.width} * size.height;
  if (pixels == 0) return fail(Errc::usage, "snapshot resolution must not be 0", where);
  if (pixels > kMaxSnapshotPixels) {
    return fail(Errc::limit, "snapshot resolution is beyond " + std::to_string(kMaxSnapshotPixels) + " pixels", where);
  }
  return {};
}

/// A board that echoed the command and then sent no OK, or part of a picture, is there: the line lost something.
Error lost_ok(Error error) {
  if (error.code == Errc::timeout) error.code = Errc::garbage;
  return error;
}

Result<AtCommand> snapshot_command(std::string_view name, SnapshotSize size, const wire::TransferPlan& plan) {
  const std::string width = std::to_string(size.width);
  const std::string height = std::to_string(size.height);
  const std::string argument(1, plan.argument);
  std::vector<AtCommand::Arg> args = {{"width", width}, {"height", height}};
  if (plan.argument != 0) args.push_back({"rate", argument});
  return AtCommand::make(name, args);
}

}  // namespace

wire::TransferPlan AtSession::Impl::plan(wire::TransferKind kind, bool may_be_fast) const {
  const wire::AtVersion version{version_.major, version_.minor, version_.patch};
  const wire::TransferPlan usual = wire::plan_transfer(version, transfer_baud_, kind);
  // Boards before AT 1.6 change their rate without being asked.
  const bool no_choice = usual.switch_rate && usual.argument == 0;
  const bool wanted = may_be_fast && options_.use_fast_baud && transfer_baud_ != options_.base_baud;
  return no_choice || wanted ? usual : wire::plan_transfer(version, 0, kind);
}

Awaitable<Result<void>> AtSession::Impl::follow_switch(wire::ResponseScanner& scanner, bool& switched) {
  const Budget budget{line_.now() + kSwitchLimit, {}};
  for (;;) {
    auto event = co_await line_.next_event(scanner, budget);
    if (!event) co_return pass(std::move(event.error()));
    if (*event == Event::prompt) co_return Result<void>{};
    if (*event != Event::switch_ok) continue;
    auto fast = co_await to_fast_rate();
    if (!fast) co_return fast;
    switched = true;
    co_return Result<void>{};
  }
}

Awaitable<Result<SnapshotImage>> AtSession::Impl::snapshot_once(SnapshotSize size, bool fast) {
  const wire::TransferPlan how = plan(wire::TransferKind::snapshot, fast);
  const auto command = snapshot_command("SNAPSHOT", size, how);
  if (!command) co_return pass(command.error());
  auto ready = co_await ensure_step();
  if (!ready) co_return pass(std::move(ready.error()));
  const std::size_t room = snapshot_text_limit(size) + kReplyRoom;
  const auto memory = std::make_unique_for_overwrite<char[]>(room);
  wire::ResponseScanner scanner(std::span<char>(memory.get(), room));
  wire::ResponseScanner::Options options;
  if (how.switch_rate) options.mode = wire::ResponseScanner::Mode::switched;
  const Budget typing = line_.budget(Timeouts{});
  auto typed = co_await line_.type(command->line(), scanner, options, typing);
  if (!typed) co_return pass(std::move(typed.error()));

  // At the line's rate a large picture takes longer than the 70 s that hosts give it.
  const Nanos line_time(static_cast<std::int64_t>(room) * 10 * 1'000'000'000 / options_.base_baud);
  Budget budget{line_.now() + std::max(kSnapshotFloor, line_time * 2), {}};
  bool switched = false;
  if (how.switch_rate) {
    auto followed = co_await follow_switch(scanner, switched);
    if (!followed) co_return pass(lost_ok(std::move(followed.error())));
    budget.total_deadline = std::max(budget.total_deadline, line_.now() + kSnapshotFloor);
    // At this rate a prompt does not end the wait for an OK that was lost.
    if (switched) budget.idle = kStreamIdle;
  }
  for (bool done = how.switch_rate && !switched; !done;) {
    auto event = co_await line_.next_event(scanner, budget);
    if (!event && switched && !scanner.body().empty()) co_return pass(lost_ok(std::move(event.error())));
    if (!event) co_return pass(std::move(event.error()));
    if (*event == Event::prompt) done = true;
    if (*event == Event::data_end) {
      auto base = co_await line_.set_baud(options_.base_baud);
      if (!base) co_return pass(std::move(base.error()));
      budget = Budget{line_.now() + kStopLimit, {}};
    }
  }
  if (scanner.overflowed()) {
    co_return fail(Errc::garbage, "answer to " + command->describe() + " is longer than such a picture can be",
                   stream_.name());
  }
  auto image = parse_snapshot_reply(scanner.body(), size);
  if (!image) {
    Error error = std::move(image.error());
    if (error.code == Errc::refused) {
      if (was_misheard(command->line(), scanner.body())) error.code = Errc::garbage;
      error.what = "board refused " + command->describe() + ": " + error.what;
    }
    error.where = stream_.name();
    co_return pass(std::move(error));
  }
  co_return image;
}

Awaitable<Result<SnapshotImage>> AtSession::Impl::snapshot(SnapshotSize size) {
  auto checked = check(size, stream_.name());
  if (!checked) co_return pass(std::move(checked.error()));
  for (unsigned attempt = 0;; ++attempt) {
    // A line that does not carry the faster rate carries the other one.
    auto image = co_await snapshot_once(size, attempt < kFastAttempts);
    auto base = co_await line_.set_baud(options_.base_baud);
    if (image) {
      if (!base) co_return pass(std::move(base.error()));
      co_return image;
    }
    // A picture damaged on the line is taken again: it has no checksum, but a length.
    const bool again = image.error().code == Errc::garbage && attempt < options_.retype_limit;
    if (!again) co_return image;
    line_.lose_step();
  }
}

bool AtSession::Impl::take_line(FrameLine& line, std::size_t limit) {
  while (!line_.input().empty()) {
    const std::string_view input = line_.input();
    const std::size_t end = std::min(input.find_first_of("\r\n"), input.size());
    if (end > 0) {
      // The prompt has no line end behind it.
      std::size_t count = end;
      if (line.text.empty() && input.front() == '>') count = 1;
      if (line.text == ">" && input.front() == ' ') {
        line.text += ' ';
        line_.consume(1);
        return true;
      }
      const std::size_t room = limit - std::min(limit, line.text.size());
      if (count > room) line.overlong = true;
      line.text.append(input.substr(0, std::min(count, room)));
      line_.consume(count);
      continue;
    }
    line_.consume(1);
    if (!line.text.empty()) return true;
  }
  return false;
}

Awaitable<Result<void>> AtSession::Impl::end_stream(FrameLine& line, bool switched, std::size_t limit) {
  const Nanos deadline = line_.now() + kStopLimit;
  bool wants_prompt = !switched;
  for (;;) {
    while (take_line(line, limit)) {
      const bool prompt = line.text == "> ";
      const bool ok = is_ok_line(line.text);
      line = {};
      if (wants_prompt && prompt) co_return Result<void>{};
      if (wants_prompt || !ok) continue;
      // Behind this OK the board changes back; a line end that is still on its way would only spoil the first line.
      auto base = co_await line_.set_baud(options_.base_baud);
      if (!base) co_return base;
      wants_prompt = true;
    }
    // Changing the rate may leave garbage in front of the prompt.
    if (switched && wants_prompt && line.text.ends_with("> ")) co_return Result<void>{};
    auto filled = co_await line_.fill(deadline);
    if (filled) continue;
    if (filled.error().code != Errc::timeout) co_return filled;
    co_return fail(Errc::timeout, "board does not stop its snapshot stream", stream_.name());
  }
}

Awaitable<Result<void>> AtSession::Impl::snapshot_stream(SnapshotSize size, const SnapshotFn& on_frame,
                                                         SnapshotStreamStats& stats) {
  auto checked = check(size, stream_.name());
  if (!checked) co_return checked;
  const wire::TransferPlan how = plan(wire::TransferKind::snapshot_stream, true);
  const auto command = snapshot_command("SNAPSHOTSTREAM", size, how);
  if (!command) co_return pass(command.error());
  auto ready = co_await ensure_step();
  if (!ready) co_return ready;
  std::array<char, 512> memory;
  wire::ResponseScanner scanner(memory);
  wire::ResponseScanner::Options options;
  if (how.switch_rate) options.mode = wire::ResponseScanner::Mode::stream;
  const Budget typing = line_.budget(Timeouts{});
  auto typed = co_await line_.type(command->line(), scanner, options, typing);
  if (!typed) co_return typed;
  while (!line_.typed_blind()) {
    auto event = co_await line_.next_event(scanner, typing);
    if (!event) co_return pass(std::move(event.error()));
    if (*event == Event::echo) break;
    if (*event == Event::prompt) co_return pass(refused(*command, scanner.body()));
  }
  bool switched = false;
  if (how.switch_rate) {
    auto followed = co_await follow_switch(scanner, switched);
    if (!followed) co_return followed;
    if (!switched) co_return pass(refused(*command, wire::judge_reply(scanner.body()).error_line));
  }
  snapshot_reading_ = true;
  auto streamed = co_await follow_stream(*command, size, on_frame, stats, switched);
  snapshot_reading_ = false;
  if (!streamed && switched) {
    auto base = co_await line_.set_baud(options_.base_baud);
    if (!base && streamed.error().code != Errc::unplugged) co_return base;
  }
  co_return streamed;
}

Awaitable<Result<void>> AtSession::Impl::follow_stream(const AtCommand& command, SnapshotSize size,
                                                       const SnapshotFn& on_frame, SnapshotStreamStats& stats,
                                                       bool switched) {
  const std::size_t limit = snapshot_text_limit(size) + 1;
  FrameLine line;
  std::string words;
  Nanos quiet_until = line_.now() + kStreamIdle;
  for (;;) {
    while (!snapshot_stop_ && take_line(line, limit)) {
      if (line.text == "> ") {
        // The board ended it by itself; a stream at the fast rate has no prompt.
        if (words.empty()) co_return Result<void>{};
        co_return pass(refused(command, words));
      }
      switch (classify_stream_line(line.text)) {
        case StreamLine::error:
          words = line.text;
          break;
        case StreamLine::other:
          if (!switched && words.empty()) words = std::string(wire::judge_reply(line.text).error_line);
          break;
        case StreamLine::frame: {
          ++stats.frames;
          auto image =
              line.overlong ? Result<SnapshotImage>(fail(Errc::garbage, "too long")) : decode_snapshot(line.text, size);
          if (!image) {
            ++stats.damaged;
          } else if (!on_frame(*std::move(image))) {
            snapshot_stop_ = true;
          }
          break;
        }
      }
      line = {};
      if (switched && !words.empty()) {
        auto ended = co_await end_stream(line, switched, limit);
        if (!ended) co_return ended;
        co_return pass(refused(command, words));
      }
    }
    if (snapshot_stop_) {
      snapshot_reading_ = false;
      auto written = co_await line_.write("b\r");
      if (!written) co_return written;
      auto ended = co_await end_stream(line, switched, limit);
      co_return ended;
    }
    auto filled = co_await line_.fill(quiet_until);
    if (filled) {
      quiet_until = line_.now() + kStreamIdle;
      continue;
    }
    if (filled.error().code == Errc::interrupted && snapshot_stop_) continue;
    if (filled.error().code != Errc::timeout) co_return filled;
    co_return fail(Errc::timeout, "no more pictures from " + command.describe(), stream_.name());
  }
}

Awaitable<Result<SnapshotImage>> AtSession::snapshot(SnapshotSize size) {
  const auto operation = [impl = impl_.get(), size]() { return impl->snapshot(size); };
  auto result = co_await impl_->exclusive<SnapshotImage>(operation);
  co_return result;
}

Awaitable<Result<SnapshotStreamStats>> AtSession::snapshot_stream(SnapshotSize size, SnapshotFn on_frame) {
  SnapshotStreamStats stats;
  const auto operation = [impl = impl_.get(), size, &on_frame, &stats]() {
    impl->snapshot_stop_ = false;
    impl->snapshot_running_ = true;
    return impl->snapshot_stream(size, on_frame, stats);
  };
  auto result = co_await impl_->exclusive<void>(operation);
  impl_->snapshot_running_ = false;
  if (!result) co_return pass(std::move(result.error()));
  co_return stats;
}

void AtSession::stop_snapshot_stream() {
  if (!impl_->snapshot_running_) return;
  impl_->snapshot_stop_ = true;
  if (impl_->snapshot_reading_) impl_->stream_.cancel();
}

}  // namespace tml::serial
