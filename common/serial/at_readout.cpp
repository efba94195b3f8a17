// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <algorithm>

#include "common/serial/at_session_impl.hpp"
#include "common/serial/readout_decoder.hpp"
#include "common/wire/at_host.hpp"
#include "common/wire/caps.hpp"

namespace tml::serial {
namespace {

using Event = wire::ResponseScanner::Event;
using Nanos = std::chrono::nanoseconds;

// Wire reference 1.8, step 1 and 4 to 6.
constexpr Nanos kSwitchLimit = std::chrono::seconds(1);
constexpr Nanos kTailLimit = std::chrono::seconds(5);
/// The line end behind the switching OK, should it come in a piece of its own; the board waits 100 ms before it changes
/// its rate.
constexpr Nanos kLineEndWait = std::chrono::milliseconds(20);
/// Floor of a read-out's total bound, and the bound where the size is unknown.
constexpr Nanos kTransferFloor = std::chrono::seconds(30);
constexpr Nanos kUnknownTransfer = std::chrono::minutes(20);
/// Pieces in which a range is read again after damage that cannot be located: halved each time down to the smallest.
constexpr std::uint64_t kFirstBlock = 32 * 1024;
constexpr std::uint64_t kSmallestBlock = 1024;
constexpr std::uint64_t kProgressStep = 16 * 1024;

}  // namespace

/// One READBUFFER or READFILE.
struct AtSession::Impl::Transfer {
  Result<AtCommand> command;
  wire::TransferPlan plan;
  ReadoutDecoder& decoder;
  ReadProgress& progress;
  const ReadProgressFn& on_progress;
  std::uint64_t expected_total = 0;  ///< For on_progress; 0: unknown.
  Nanos total{0};
  std::optional<Nanos> first_payload;
  Nanos last_payload{0};
  std::uint64_t told = 0;
  std::string words;      ///< What the board said instead of a payload.
  bool switched = false;  ///< The board announced its change of rate.
};

Awaitable<Result<void>> AtSession::Impl::to_fast_rate() {
  // A line feed that arrived after the change would be read at the wrong rate and spoil the payload's beginning.
  const Nanos line_end_deadline = line_.now() + kLineEndWait;
  while (line_.input().find('\n') == std::string_view::npos) {
    auto line_end = co_await line_.fill(line_end_deadline);
    if (line_end) continue;
    if (line_end.error().code != Errc::timeout) co_return line_end;
    break;
  }
  auto fast = co_await line_.set_baud(transfer_baud_);
  co_return fast;
}

Awaitable<Result<void>> AtSession::Impl::follow_transfer(Transfer& transfer, wire::ResponseScanner& scanner) {
  Budget budget{line_.now() + transfer.total, Nanos(options_.readout_idle)};
  if (transfer.plan.switch_rate) budget = Budget{line_.now() + kSwitchLimit, {}};
  for (;;) {
    auto event = co_await line_.next_event(scanner, budget);
    if (!event) co_return pass(std::move(event.error()));
    if (*event == Event::prompt) co_return Result<void>{};
    if (*event == Event::switch_ok) {
      transfer.switched = true;
      auto fast = co_await to_fast_rate();
      if (!fast) co_return fast;
      budget = Budget{line_.now() + transfer.total, Nanos(options_.readout_idle)};
    }
    if (*event == Event::data_end) {
      auto base = co_await line_.set_baud(options_.base_baud);
      if (!base) co_return base;
      budget = Budget{line_.now() + kTailLimit, {}};
    }
  }
}

Awaitable<Result<void>> AtSession::Impl::transfer(Transfer& transfer) {
  if (!transfer.command) co_return pass(transfer.command.error());
  auto ready = co_await ensure_step();
  if (!ready) co_return ready;

  const auto sink = [this, &transfer](std::string_view text) {
    transfer.last_payload = line_.now();
    if (!transfer.first_payload) transfer.first_payload = transfer.last_payload;
    transfer.decoder.take(text);
    const std::uint64_t good = transfer.progress.bytes.size();
    if (!transfer.on_progress || good < transfer.told + kProgressStep) return;
    transfer.told = good;
    transfer.on_progress(good, transfer.expected_total);
  };
  std::array<char, 512> memory;
  wire::ResponseScanner scanner(memory);
  wire::ResponseScanner::Options options;
  options.mode = transfer.plan.switch_rate ? wire::ResponseScanner::Mode::switched : wire::ResponseScanner::Mode::plain;
  options.stream_body = wire::TextSink(sink);
  ++transfer.progress.attempts;
  const Budget typing = line_.budget(Timeouts{});
  auto typed = co_await line_.type(transfer.command->line(), scanner, options, typing);
  if (!typed) co_return typed;
  auto followed = co_await follow_transfer(transfer, scanner);
  if (!followed) {
    // The rate first: whatever follows, the next command is typed at the base rate.
    auto base = co_await line_.set_baud(options_.base_baud);
    line_.lose_step();
    if (!base && followed.error().code != Errc::unplugged) co_return base;
  }
  if (followed) {
    auto base = co_await line_.set_baud(options_.base_baud);
    if (!base) co_return base;
    transfer.decoder.finish();
    transfer.words = std::string(scanner.body());
  }
  if (transfer.first_payload) transfer.progress.payload_time = transfer.last_payload - *transfer.first_payload;
  co_return followed;
}

Awaitable<Result<void>> AtSession::Impl::read_out(ReadProgress& progress, const ReadProgressFn& on_progress) {
  const ReadTarget& target = progress.target;
  const bool is_file = !target.file.empty();
  if (!is_file && target.to < target.from) co_return fail(Errc::usage, "read-out ends before it begins", "to");
  const std::uint64_t size = is_file ? 0 : target.to - target.from;
  if (size > options_.max_readout_bytes) {
    co_return fail(Errc::limit,
                   "board announces " + std::to_string(size) + " bytes, more than the " +
                       std::to_string(options_.max_readout_bytes) + " that are read at most",
                   stream_.name());
  }
  const bool ranges = !is_file && std::find(caps_.begin(), caps_.end(), wire::kCapRanges) != caps_.end();
  const auto coding =
      is_file && version_ < AtVersion{1, 2, 0} ? ReadoutDecoder::Coding::hex : ReadoutDecoder::Coding::base64;
  const wire::AtVersion version{version_.major, version_.minor, version_.patch};
  bool fast = options_.use_fast_baud && transfer_baud_ != options_.base_baud;
  unsigned failures = 0;  // since the last good byte
  unsigned fast_failures = 0;
  std::uint64_t block = 0;  // 0: all that is missing at once
  if (!is_file) progress.bytes.reserve(static_cast<std::size_t>(size));

  while (!progress.done) {
    if (!ranges && !progress.bytes.empty()) {
      progress.wasted_bytes += progress.bytes.size();
      progress.bytes.clear();
    }
    const std::uint64_t start = progress.bytes.size();
    if (!is_file && start >= size) {
      progress.done = true;
      break;
    }
    const std::uint64_t want = block > 0 ? std::min(block, size - start) : size - start;
    const std::string first = std::to_string(target.from + start);
    // With ranges the second number is a length; elsewhere it is what the board reported as `to=` (wire
    // reference 1.10).
    const std::string second = std::to_string(ranges ? want : target.to);
    std::vector<AtCommand::Arg> args;
    if (is_file) {
      args.push_back({"file", target.file, false, 127, false});
    } else {
      args.push_back({"from", first});
      args.push_back({"to", second});
    }
    const auto kind = wire::TransferKind::read_buffer_or_file;
    const wire::TransferPlan plan = wire::plan_transfer(version, fast ? transfer_baud_ : 0, kind);
    const std::string argument(1, plan.argument);
    if (plan.argument != 0) args.push_back({"rate", argument});

    const std::size_t limit = is_file ? options_.max_readout_bytes : static_cast<std::size_t>(start + want);
    ReadoutDecoder decoder(coding, progress.bytes, limit);
    Transfer step{AtCommand::make(is_file ? "READFILE" : "READBUFFER", args),
                  plan,
                  decoder,
                  progress,
                  on_progress,
                  size,
                  {},
                  {},
                  {},
                  start,
                  {}};
    const std::uint64_t line_ns = (want + 2) / 3 * 4 * 10 * 1'000'000'000 / options_.base_baud;
    step.total = is_file ? kUnknownTransfer : kTransferFloor + Nanos(line_ns) * 10;
    auto followed = co_await transfer(step);

    Error trouble{Errc::garbage, "read-out is damaged", stream_.name(), "Check the cable; a slower rate may help", {}};
    bool keep = ranges;
    if (followed) {
      // Without the OK that announces the other rate, what came was no payload.
      const auto state = plan.switch_rate && !step.switched ? ReadoutDecoder::State::text : decoder.state();
      const bool counted = is_file || decoder.characters() == wire::base64_encoded_size(static_cast<std::size_t>(want));
      if (state == ReadoutDecoder::State::going && counted && (is_file || progress.bytes.size() == start + want)) {
        failures = 0;
        progress.done = is_file || progress.bytes.size() == size;
        continue;
      }
      if (is_file && state == ReadoutDecoder::State::too_long) {
        co_return fail(Errc::limit, "file is longer than " + std::to_string(limit) + " bytes", stream_.name());
      }
      const wire::ReplyVerdict verdict = wire::judge_reply(step.words);
      if (state == ReadoutDecoder::State::text && !verdict.error_line.empty() &&
          !was_misheard(step.command->line(), step.words)) {
        Error error = refused(*step.command, verdict.error_line);
        if (verdict.error_line.find("does not exist") != std::string_view::npos) error.code = Errc::not_found;
        co_return pass(std::move(error));
      }
      // The right number of characters: nothing was lost or doubled, so what stands before the bad one is right.
      // Otherwise the gap may be anywhere in this piece.
      keep = keep && counted;
    } else {
      trouble = std::move(followed.error());
      if (trouble.code != Errc::timeout && trouble.code != Errc::garbage) {
        if (!ranges) keep = false;
        co_return pass(std::move(trouble));
      }
      line_.lose_step();
    }
    ++progress.damaged;
    if (!keep) {
      progress.wasted_bytes += progress.bytes.size() - start;
      progress.bytes.resize(static_cast<std::size_t>(start));
    }
    // Finding out which size of piece gets through is no failure by itself; the sizes are few.
    const bool shrinks = ranges && followed && block != kSmallestBlock;
    if (progress.bytes.size() > start) failures = 0;
    if (!shrinks) ++failures;
    if (fast && plan.switch_rate && ++fast_failures >= 2) fast = false;
    if (failures >= options_.readout_attempts) co_return pass(std::move(trouble));
    if (ranges) block = block == 0 ? kFirstBlock : std::max(kSmallestBlock, block / 2);
  }
  if (on_progress) on_progress(progress.bytes.size(), size);
  co_return Result<void>{};
}

}  // namespace tml::serial
