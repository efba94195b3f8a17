// SPDX-License-Identifier: Apache-2.0
#include "common/flashlink/connection.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <functional>

#include "common/flashlink/reopen.hpp"

namespace tml::flashlink {
namespace {

using serial::Awaitable;
using std::chrono::nanoseconds;
using wire::flash::Reboot;

constexpr Millis kProbeTime{1200};
constexpr std::size_t kMaxProbe = 8192;
constexpr unsigned kMoreReboots = 3;
constexpr std::size_t kMaxShown = 40;
constexpr Millis kStrangerPause{1000};  // between looks at a port that has another board

tl::unexpected<Error> interrupted(const std::string& where) { return fail(Errc::interrupted, "interrupted", where); }

/// The printable value behind "Type:" or the like, up to the end of its line.
std::string value_of(std::string_view text, std::string_view label) {
  const auto at = text.find(label);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + label.size());
  text = text.substr(0, text.find_first_of("\r\n"));
  while (text.starts_with(' ')) text.remove_prefix(1);
  std::string value;
  for (const char c : text.substr(0, kMaxShown)) {
    if (c >= 0x20 && c < 0x7F) value += c;
  }
  return value;
}

}  // namespace

std::string describe_at_answer(std::string_view text) {
  const std::string type = value_of(text, "Type:");
  const std::string version = value_of(text, "Version:");
  if (!type.empty() || text.find("AT Version") != std::string_view::npos)
    return "an AT application" + (type.empty() ? std::string() : " of type " + type) +
           (version.empty() ? std::string() : ", version " + version);
  if (text.find("Eta Compute") != std::string_view::npos) return "an Eta Compute bootloader (--protocol eta)";
  if (text.find("uart:~$") != std::string_view::npos) return "a Zephyr shell (perhaps --protocol smp)";
  return {};
}

Connection::Connection(PortAccess& access, Random& random, const ConnectionOptions& options)
    : access_(access), random_(random), options_(options) {}

Awaitable<Result<void>> Connection::open() {
  auto stream = co_await access_.open(options_.start_baud);
  if (!stream) co_return pass(std::move(stream.error()));
  stream_ = std::move(*stream);
  auto greeted = co_await greet(options_.patience);
  if (greeted || stopped_) co_return greeted;
  const Errc code = greeted.error().code;
  if (code != Errc::timeout && code != Errc::garbage) co_return greeted;
  Error explained = co_await explain(std::move(greeted.error()));
  co_return pass(std::move(explained));
}

Awaitable<Result<void>> Connection::greet(Millis patience) {
  if (stopped_) co_return interrupted(name());
  session_ = std::make_unique<Session>(*stream_, random_, SessionOptions{options_.start_baud, last_baud_});
  auto identity = co_await session_->connect(patience);
  if (!identity) {
    session_.reset();
    co_return pass(std::move(identity.error()));
  }
  const std::string id = text_of(session_->identity().device_id);
  if (!board_) board_ = id;
  if (id == *board_) co_return Result<void>();
  // Cables are swapped, and ports are numbered anew: what was meant for one board must not go into another.
  stranger_ = id;
  session_.reset();
  co_return fail(Errc::unplugged, "another board, " + id + ", answers", name());
}

Awaitable<Error> Connection::explain(Error error) {
  const std::string rate = " at " + std::to_string(options_.start_baud) + " baud";
  const nanoseconds deadline = stream_->clock().steady() + kProbeTime;
  (void)co_await stream_->set_baud(options_.start_baud);
  static constexpr std::string_view kQuestion = "\rAT+CONFIG?\r";
  std::string text;
  const auto written = co_await stream_->write_all(std::as_bytes(std::span(kQuestion)), deadline);
  while (written && text.size() < kMaxProbe) {
    std::array<std::byte, 1024> buffer{};
    const auto size = co_await stream_->read_some(buffer, deadline);
    if (!size) break;
    text.append(reinterpret_cast<const char*>(buffer.data()), *size);
  }
  error.where = name();
  const std::string what = describe_at_answer(text);
  if (!what.empty()) {
    error.code = Errc::garbage;
    error.what = what + " answers" + rate + ", without the flash link";
    error.hint = "Its firmware cannot be updated by this link: use its maker's tool, or --protocol smp or eta";
  } else if (!text.empty() || error.code == Errc::garbage) {
    error.code = Errc::garbage;
    error.what = "something answers" + rate + ", but not a board with the flash link";
    error.hint = "Give the board's rate with --start-baud, another --port, or --protocol smp or eta";
  } else {
    error.code = Errc::timeout;
    error.what = "no board answers" + rate;
    error.hint = "Check the port (tml-daemon ports lists them) and the cable, or press RESET while this command runs";
  }
  co_return error;
}

Awaitable<Result<void>> Connection::recover() {
  if (stopped_) co_return interrupted(name());
  session_.reset();
  auto greeted = co_await await_board(options_.replug_wait);
  if (greeted || stopped_) co_return greeted;
  const Errc code = greeted.error().code;
  if (code != Errc::timeout && code != Errc::not_found && code != Errc::unplugged) co_return greeted;
  std::string what = "the board did not come back within " + std::to_string(options_.replug_wait.count() / 1000) + " s";
  if (!stranger_.empty()) what += "; another one, " + stranger_ + ", is on its port";
  co_return fail(Errc::timeout, std::move(what), name(),
                 "Plug it in and run the same command again: it goes on where it was");
}

Awaitable<Result<void>> Connection::await_board(Millis patience) {
  const Clock& clock = system_clock();
  const nanoseconds deadline = clock.steady() + patience;
  const std::function<bool()> given_up = [this] { return stopped_; };
  session_.reset();
  for (;;) {
    if (stopped_) co_return interrupted(name());
    const auto left = std::chrono::duration_cast<Millis>(deadline - clock.steady());
    if (left <= Millis{0})
      co_return fail(Errc::timeout, "no answer within " + std::to_string(patience.count() / 1000) + " s", name());
    if (!stream_) {
      auto stream = co_await reopen(access_, options_.start_baud, left, clock, given_up);
      if (!stream) co_return pass(std::move(stream.error()));
      stream_ = std::move(*stream);
      continue;
    }
    auto greeted = co_await greet(left);
    if (greeted || stopped_) co_return greeted;
    const Errc code = greeted.error().code;
    if (code == Errc::unplugged || code == Errc::io) {
      stream_.reset();
      if (stranger_.empty()) continue;
      const auto executor = co_await boost::asio::this_coro::executor;
      Pause pause(executor);
      pause_ = &pause;
      (void)co_await pause.wait_for(kStrangerPause);
      pause_ = nullptr;
    } else if (code != Errc::timeout && code != Errc::garbage) {
      co_return greeted;
    }
  }
}

Awaitable<Result<void>> Connection::reboot(Reboot where, Millis patience) {
  Millis quiet = kBootQuiet;
  for (unsigned tries = 0;; ++tries) {
    auto asked = co_await session_->reboot(where);
    if (!asked && asked.error().code != Errc::unplugged) co_return asked;
    if (where == Reboot::application) {
      const auto executor = co_await boost::asio::this_coro::executor;
      Pause pause(executor);
      pause_ = &pause;
      (void)co_await pause.wait_for(quiet);
      pause_ = nullptr;
    }
    auto back = co_await await_board(patience);
    const bool held = back && where == Reboot::application && session_->in_bootloader();
    if (!held || tries == kMoreReboots) co_return back;
    quiet *= 3;
  }
}

Awaitable<Result<std::uint32_t>> Connection::speed_up() {
  auto rate = co_await session_->raise_baud(options_.baud);
  if (rate) last_baud_ = *rate;
  co_return rate;
}

Awaitable<void> Connection::slow_down() {
  if (!session_ || session_->baud() == 0 || session_->baud() == options_.start_baud) co_return;
  (void)co_await session_->use_baud(options_.start_baud);
}

void Connection::stop() {
  stopped_ = true;
  if (pause_ != nullptr) pause_->wake();
  if (session_) session_->cancel();
}

Awaitable<void> Connection::send_home() {
  if (!session_ || !session_->in_bootloader()) co_return;
  session_->link().rearm();
  Patience patience;
  patience.silence = Millis{1000};
  const std::array<std::byte, 1> application{static_cast<std::byte>(Reboot::application)};
  (void)co_await session_->link().exchange(wire::flash::Op::reboot, application, patience);
}

}  // namespace tml::flashlink
