// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/at_line.hpp"

#include <algorithm>

#include "common/wire/bytes.hpp"

namespace tml::serial {
namespace {

using Event = wire::ResponseScanner::Event;
using Nanos = std::chrono::nanoseconds;

constexpr Nanos kWriteLimit = std::chrono::seconds(2);
/// A prompt without a line end in front counts once nothing followed it for this long: ten times an FTDI chip's
/// latency.
constexpr Nanos kPendingQuiet = std::chrono::milliseconds(160);
/// Between two `b` CR while a board does not answer.
constexpr Nanos kWakeInterval = std::chrono::seconds(1);
/// A board that is known to echo and says nothing at all is busy rather than deaf: wait longer before typing again.
constexpr Nanos kBusyEcho = std::chrono::seconds(1);
/// The redraws that erasing causes have ended.
constexpr Nanos kEraseQuiet = std::chrono::milliseconds(40);
constexpr std::size_t kStrayKept = 1024;
/// "AT+" occurs in boot banners; more than that in a row is an echo.
constexpr std::size_t kSurelyEcho = 5;
constexpr char kBackspace = 0x08;

bool is_odd(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x7F || (byte < 0x20 && c != '\r' && c != '\n' && c != '\t' && byte != 0x1B && byte != 0x08);
}

}  // namespace

AtLine::AtLine(ByteStream& stream, const AtOptions& options) : stream_(stream), options_(options) {}

Budget AtLine::budget(const Timeouts& timeouts) const { return Budget{now() + timeouts.total, timeouts.idle}; }

std::string_view AtLine::input() const {
  return wire::as_text(std::span(input_).subspan(input_begin_, input_end_ - input_begin_));
}

void AtLine::consume(std::size_t count) { input_begin_ += std::min(count, input_end_ - input_begin_); }

Awaitable<Result<void>> AtLine::fill(Nanos deadline) {
  if (aborting_) co_return fail(Errc::interrupted, "interrupted", stream_.name());
  if (input_begin_ == input_end_) input_begin_ = input_end_ = 0;
  if (input_end_ == input_.size()) {
    std::copy(input_.begin() + static_cast<std::ptrdiff_t>(input_begin_), input_.end(), input_.begin());
    input_end_ -= input_begin_;
    input_begin_ = 0;
    if (input_end_ == input_.size()) co_return fail(Errc::limit, "input was not taken", stream_.name());
  }
  const std::span<std::byte> room = std::span(input_).subspan(input_end_);
  auto got = co_await stream_.read_some(room, deadline);
  if (!got) co_return pass(std::move(got.error()));
  const std::string_view fresh = wire::as_text(room.first(*got));
  input_end_ += *got;
  stats_.bytes_in += *got;
  command_in_ += *got;
  command_odd_ += static_cast<std::uint64_t>(std::count_if(fresh.begin(), fresh.end(), is_odd));
  co_return Result<void>{};
}

Awaitable<Result<void>> AtLine::write(std::string_view text) {
  if (aborting_) co_return fail(Errc::interrupted, "interrupted", stream_.name());
  const std::span<const std::byte> bytes = wire::as_bytes(text);
  auto written = co_await stream_.write_all(bytes, now() + kWriteLimit);
  if (written) {
    stats_.bytes_out += text.size();
  } else if (written.error().code == Errc::timeout) {
    written.error().what = "the port takes no output";
  }
  co_return written;
}

Awaitable<Result<void>> AtLine::set_baud(std::uint32_t baud) {
  if (stream_.baud() == baud) co_return Result<void>{};
  ++stats_.baud_switches;
  auto done = co_await stream_.set_baud(baud);
  co_return done;
}

void AtLine::remember_stray(std::string_view text) {
  stats_.stray_bytes += text.size();
  stray_.append(text);
  if (stray_.size() > kStrayKept) stray_.erase(0, stray_.size() - kStrayKept);
}

std::string AtLine::stray_text() const {
  std::string text = stray_;
  std::replace_if(text.begin(), text.end(), is_odd, '.');
  return text;
}

/// Reads until nothing came for `quiet` (zero: until nothing is there now), a second at most: a board that never stops
/// talking must not keep anybody waiting here.
Awaitable<Result<void>> AtLine::drop_input(Nanos quiet) {
  const Nanos limit = now() + std::chrono::seconds(1);
  for (;;) {
    remember_stray(input());
    consume(input().size());
    const Nanos deadline = now() + quiet;
    if (quiet > Nanos::zero() && deadline > limit) co_return Result<void>{};
    auto filled = co_await fill(deadline);
    if (!filled && filled.error().code == Errc::timeout) co_return Result<void>{};
    if (!filled) co_return filled;
    if (now() > limit) co_return Result<void>{};
  }
}

Awaitable<Result<void>> AtLine::erase_line() {
  // In small steps, since each one may make the board draw the whole line again (wire reference 1.2) and its FIFO is
  // small.
  while (typed_ > 0) {
    const std::string back(std::min(typed_, std::max<std::size_t>(options_.echo_window, 1)), kBackspace);
    auto written = co_await write(back);
    if (!written) co_return written;
    typed_ -= back.size();
    auto dropped = co_await drop_input(kEraseQuiet);
    if (!dropped) co_return dropped;
  }
  co_return Result<void>{};
}

Awaitable<Result<bool>> AtLine::prompt_within(Nanos deadline) {
  std::array<char, 256> body;
  wire::ResponseScanner scanner(body);
  scanner.begin({});
  const Budget limit{deadline, {}};
  for (;;) {
    auto event = co_await next_event(scanner, limit);
    if (event && *event == Event::prompt) co_return true;
    if (event) continue;
    if (event.error().code == Errc::timeout || event.error().code == Errc::garbage) co_return false;
    co_return pass(std::move(event.error()));
  }
}

Awaitable<Result<void>> AtLine::wake(Nanos deadline, std::uint32_t fast_baud) {
  in_step_ = false;
  ++stats_.resyncs;
  command_in_ = command_odd_ = 0;
  auto set = co_await set_baud(options_.base_baud);
  if (!set) co_return set;
  auto dropped = co_await drop_input(Nanos::zero());
  if (!dropped) co_return dropped;
  auto erased = co_await erase_line();
  if (!erased) co_return erased;
  for (unsigned attempt = 0; now() < deadline; ++attempt) {
    const bool at_fast_rate = fast_baud != 0 && fast_baud != options_.base_baud && attempt % 3 == 2;
    if (at_fast_rate) {
      auto fast = co_await set_baud(fast_baud);
      if (!fast) co_return fast;
    }
    auto written = co_await write("b\r");
    if (!written) co_return written;
    if (at_fast_rate) {
      auto base = co_await set_baud(options_.base_baud);
      if (!base) co_return base;
    }
    auto found = co_await prompt_within(std::min(deadline, now() + kWakeInterval));
    if (!found) co_return pass(std::move(found.error()));
    if (!*found) continue;
    // Without echo nothing tells an old prompt from the answer to the next command: let all of them arrive.
    if (echoes_ == false) {
      auto quiet = co_await drop_input(kEraseQuiet);
      if (!quiet) co_return quiet;
    }
    in_step_ = true;
    co_return Result<void>{};
  }
  co_return pass(silence("board gives no prompt"));
}

Error AtLine::silence(const char* what) const {
  Error error{Errc::timeout, what, stream_.name(), {}, {}};
  // A quarter of the bytes outside text is far beyond what a good line does, and what a wrong rate always gives.
  if (command_in_ >= 4 && command_odd_ * 4 >= command_in_) {
    error.code = Errc::garbage;
    error.what += "; what arrives is not text (" + std::to_string(command_in_) + " bytes)";
    error.hint = "The line rate may be wrong: it is " + std::to_string(stream_.baud()) + " baud here";
  } else if (command_in_ == 0) {
    error.what += "; nothing arrived at all";
    error.hint = "Check that the board is powered and runs a firmware with AT commands, or press its reset button";
  } else {
    error.what += "; " + std::to_string(command_in_) + " bytes arrived";
  }
  return error;
}

Awaitable<Result<Event>> AtLine::next_event(wire::ResponseScanner& scanner, const Budget& budget) {
  Nanos last_byte = now();
  for (;;) {
    while (input_begin_ != input_end_) {
      const auto step = scanner.feed(input());
      consume(step.consumed);
      if (step.event != Event::none) co_return step.event;
      if (step.consumed == 0) break;
    }
    Nanos deadline = budget.total_deadline;
    if (budget.idle > Nanos::zero()) deadline = std::min(deadline, last_byte + budget.idle);
    const bool pending = scanner.pending() != wire::ResponseScanner::Pending::none;
    if (pending) deadline = std::min(deadline, last_byte + kPendingQuiet);
    auto filled = co_await fill(deadline);
    if (filled) {
      last_byte = now();
      // A board that never stops talking keeps every read busy; the total bound still holds.
      if (last_byte > budget.total_deadline) co_return pass(silence("answer does not end"));
      continue;
    }
    if (filled.error().code != Errc::timeout) co_return pass(std::move(filled.error()));
    if (pending && now() >= last_byte + kPendingQuiet) {
      const Event event = scanner.accept_pending();
      if (event != Event::none) co_return event;
    }
    if (now() >= budget.total_deadline) co_return pass(silence("no answer in time"));
    if (budget.idle > Nanos::zero() && now() >= last_byte + budget.idle) co_return pass(silence("answer stopped"));
  }
}

Awaitable<Result<AtLine::Typed>> AtLine::type_once(std::string_view line, wire::ResponseScanner& scanner, bool echo,
                                                   bool last_attempt, const Budget& budget) {
  std::size_t sent = 0;
  std::size_t confirmed = 0;
  std::size_t best = 0;
  Nanos progress = now();
  Nanos next_write = progress;
  command_in_ = command_odd_ = 0;
  const std::size_t window = std::max<std::size_t>(options_.echo_window, 1);
  const bool pace = options_.always_pace || !echo;
  for (;;) {
    while (input_begin_ != input_end_) {
      const auto step = scanner.feed(input());
      consume(step.consumed);
      if (step.consumed == 0 && step.event == Event::none) break;
    }
    if (echo) {
      // Noise in front may look like an echo of what was not sent yet.
      confirmed = std::min(scanner.echoed(), sent);
      if (confirmed > best) {
        best = confirmed;
        progress = now();
      }
    }
    if (sent == line.size() && (!echo || scanner.echoed() >= line.size()))
      co_return echo ? Typed::verified : Typed::blind;
    if (now() >= budget.total_deadline) co_return pass(silence("board does not take the command"));

    const std::size_t in_flight = echo ? sent - confirmed : 0;
    std::size_t room = echo ? window - std::min(window, in_flight) : line.size();
    if (pace) room = std::min(room, std::max<std::size_t>(options_.pacing_bytes, 1));
    room = std::min(room, line.size() - sent);
    if (room > 0 && now() >= next_write) {
      auto written = co_await write(line.substr(sent, room));
      if (!written) co_return pass(std::move(written.error()));
      if (sent == 0) progress = now();
      sent += room;
      typed_ += room;
      if (pace) next_write = now() + options_.pacing_interval;
      if (!pace && !echo) continue;
    }
    Nanos deadline = budget.total_deadline;
    const Nanos patience = echoes_ == true && command_in_ == 0 ? std::max<Nanos>(kBusyEcho, options_.echo_timeout)
                                                               : Nanos(options_.echo_timeout);
    if (echo) deadline = std::min(deadline, progress + patience);
    if (pace && sent < line.size() && (!echo || in_flight < window))
      deadline = std::min(deadline, std::max(next_write, now()));
    if (pace && !echo && sent == line.size()) continue;
    auto filled = co_await fill(deadline);
    if (filled) continue;
    if (filled.error().code != Errc::timeout) co_return pass(std::move(filled.error()));
    if (echo && now() >= progress + patience) {
      // Only silence shows that there is no echo; anything else may be one that was damaged.
      if (echoes_ != true && (command_in_ == 0 || last_attempt) && best < kSurelyEcho) co_return Typed::blind;
      co_return Typed::wrong;
    }
  }
}

Awaitable<Result<void>> AtLine::send_return(wire::ResponseScanner& scanner, bool echo, const Budget& budget) {
  const std::uint64_t before = stats_.bytes_in;
  const unsigned limit = echo ? 3 : 1;
  for (unsigned attempt = 0; attempt < limit; ++attempt) {
    auto written = co_await write("\r");
    if (!written) co_return written;
    typed_ = 0;
    if (!echo) co_return Result<void>{};
    // An echoing board answers CR with CR LF before it runs the command (wire reference 1.2). Silence means that the CR
    // was lost, and a second one does no harm: if the first did arrive, it only brings another prompt.
    const Nanos deadline = std::min(budget.total_deadline, now() + Nanos(options_.echo_timeout));
    if (stats_.bytes_in != before || !input().empty()) break;
    auto filled = co_await fill(deadline);
    if (filled) break;
    if (filled.error().code != Errc::timeout) co_return filled;
  }
  static_cast<void>(scanner);
  co_return Result<void>{};
}

Awaitable<Result<void>> AtLine::type(std::string_view line, wire::ResponseScanner& scanner,
                                     wire::ResponseScanner::Options options, const Budget& budget) {
  ++stats_.commands;
  auto dropped = co_await drop_input(Nanos::zero());
  if (!dropped) co_return dropped;
  bool echo = options_.echo_window > 0 && echoes_ != false;
  typed_blind_ = false;
  for (unsigned attempt = 0; attempt <= options_.retype_limit; ++attempt) {
    if (attempt > 0) ++stats_.retyped;
    options.echo = echo;
    scanner.begin(line, options);
    auto typed = co_await type_once(line, scanner, echo, attempt == options_.retype_limit, budget);
    if (!typed) {
      in_step_ = false;
      co_return pass(std::move(typed.error()));
    }
    if (*typed == Typed::wrong) {
      auto erased = co_await erase_line();
      if (!erased) co_return erased;
      continue;
    }
    if (*typed == Typed::blind && echo) {
      // No echo: what was typed so far stands in the board's line; the rest goes out by the clock.
      const std::size_t already = std::min(typed_, line.size());
      echo = false;
      options.echo = false;
      scanner.begin(line, options);
      const std::string_view rest = line.substr(already);
      if (!rest.empty()) {
        auto more = co_await type_once(rest, scanner, false, true, budget);
        if (!more) {
          in_step_ = false;
          co_return pass(std::move(more.error()));
        }
      }
    }
    typed_blind_ = !echo;
    auto sent = co_await send_return(scanner, echo, budget);
    co_return sent;
  }
  in_step_ = false;
  Error error = silence("board does not echo the command as it was sent");
  if (command_in_ > 0) error.code = Errc::garbage;
  co_return pass(std::move(error));
}

}  // namespace tml::serial
