// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/flashlink/eta_client.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <optional>
#include <vector>

#include "common/wire/base64.hpp"
#include "common/wire/bytes.hpp"
#include "common/wire/crc.hpp"
#include "common/wire/number.hpp"

namespace tml::flashlink {
namespace {

using serial::Awaitable;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// wire reference 8.1; the bootloader's own work (two erases and a page) is within them.
constexpr milliseconds kReplyTime{1500};
constexpr milliseconds kFinishTime{10000};
constexpr milliseconds kPromptTime{1000};
constexpr milliseconds kBootModeTime{3000};
constexpr seconds kBannerTime{10};
constexpr seconds kButtonTime{60};
constexpr milliseconds kNudge{500};
constexpr std::string_view kBanner = "Eta Compute Bootloader";
constexpr std::string_view kPrompt = "> ";
constexpr std::uint32_t kOldBlock = 255;  // of bootloaders before 1.0.2
constexpr std::uint32_t kMaxBlock = 4096;
constexpr std::size_t kPacedBytes = 5;
constexpr milliseconds kPacedTime{5};
constexpr std::size_t kMaxLine = 512;
constexpr unsigned kMaxDetours = 16;
constexpr std::size_t kVectors = 8;

std::uint32_t word(std::span<const std::byte> bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= static_cast<std::uint32_t>(bytes[at + i]) << (8 * i);
  return value;
}

std::string hex(std::uint32_t value) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%08x", value);
  return text.data();
}

std::optional<std::uint32_t> number_behind(std::string_view line, std::string_view words) {
  const std::size_t at = line.find(words);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = line.substr(at + words.size());
  rest = rest.substr(0, rest.find_first_not_of("0123456789"));
  const wire::Result<std::uint32_t> value = wire::parse_u32(rest);
  if (!value) return std::nullopt;
  return *value;
}

// What the board answered: the line that ends the answer, and the text lines before it.
struct Answer {
  bool ok = false;
  std::string line;
  std::string text;
};

class Session {
 public:
  Session(serial::ByteStream& stream, std::span<const std::byte> image, const EtaOptions& options,
          const EtaEvents& events)
      : stream_(stream), image_(image), options_(options), events_(events) {}

  Awaitable<Result<EtaResult>> run();

 private:
  [[nodiscard]] nanoseconds now() const { return stream_.clock().steady(); }
  [[nodiscard]] nanoseconds line_time(std::size_t bytes) const {
    nanoseconds time(bytes * 10 * 1'000'000'000ULL / std::max<std::uint32_t>(stream_.baud(), 300));
    if (options_.write_pacing) time += kPacedTime * (bytes / kPacedBytes + 1);
    return time;
  }
  void say(std::string_view text) const {
    if (events_.say) events_.say(text);
  }

  Awaitable<Result<void>> write(std::string_view text);
  Awaitable<Result<void>> fill(nanoseconds deadline);
  Awaitable<Result<void>> wait_text(std::string_view text, nanoseconds deadline);
  Awaitable<Result<Answer>> answer(std::string_view good, std::string_view bad, nanoseconds deadline);
  Awaitable<Result<Answer>> command(std::string_view text, std::string_view good, std::string_view bad,
                                    milliseconds allowed);
  std::optional<std::string> take_line();

  Awaitable<Result<bool>> ask_for_bootloader();
  Awaitable<Result<void>> enter();
  Awaitable<Result<void>> version();
  Awaitable<Result<void>> announce();
  Awaitable<Result<std::uint32_t>> expected_block();
  Awaitable<Result<void>> send_blocks(std::uint32_t first);
  Awaitable<Result<std::uint32_t>> send_block(std::uint32_t number);
  Awaitable<Result<bool>> finish();
  Awaitable<Result<void>> start_application();
  [[nodiscard]] tl::unexpected<Error> refused(std::string what, const Answer& answer) const;

  serial::ByteStream& stream_;
  std::span<const std::byte> image_;
  EtaOptions options_;
  EtaEvents events_;
  std::uint32_t application_baud_ = 0;
  std::string input_;
  EtaResult result_;
  unsigned detours_ = 0;
};

Awaitable<Result<void>> Session::write(std::string_view text) {
  const std::size_t piece = options_.write_pacing ? kPacedBytes : text.size();
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const std::string_view part = text.substr(at, piece);
    const nanoseconds deadline = now() + line_time(part.size()) * 4 + kReplyTime;
    Result<void> written = co_await stream_.write_all(wire::as_bytes(part), deadline);
    if (!written) co_return written;
    if (!options_.write_pacing) continue;
    const boost::asio::any_io_executor executor = co_await boost::asio::this_coro::executor;
    boost::asio::steady_timer timer(executor, kPacedTime);
    const auto [error] = co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (error) co_return fail(Errc::interrupted, "interrupted", stream_.name());
  }
  co_return Result<void>();
}

Awaitable<Result<void>> Session::fill(nanoseconds deadline) {
  std::array<std::byte, 1024> bytes{};
  Result<std::size_t> read = co_await stream_.read_some(bytes, deadline);
  if (!read) co_return pass(std::move(read.error()));
  input_.append(wire::as_text(std::span<const std::byte>(bytes).first(*read)));
  // Noise without a line end.
  if (input_.size() > 2 * kMaxLine) input_.erase(0, input_.size() - kMaxLine);
  co_return Result<void>();
}

Awaitable<Result<void>> Session::wait_text(std::string_view text, nanoseconds deadline) {
  while (true) {
    const std::size_t at = input_.find(text);
    if (at != std::string::npos) {
      input_.erase(0, at + text.size());
      co_return Result<void>();
    }
    Result<void> more = co_await fill(deadline);
    if (!more) co_return more;
  }
}

std::optional<std::string> Session::take_line() {
  while (true) {
    const std::size_t end = input_.find_first_of("\r\n");
    if (end == std::string::npos) return std::nullopt;
    std::string line = input_.substr(0, end);
    input_.erase(0, end + 1);
    while (line.starts_with(kPrompt)) line.erase(0, kPrompt.size());
    if (!line.empty()) return line;
  }
}

Awaitable<Result<Answer>> Session::answer(std::string_view good, std::string_view bad, nanoseconds deadline) {
  Answer answer;
  while (true) {
    for (std::optional<std::string> line = take_line(); line; line = take_line()) {
      // "AT+ACK" is not the beginning of an AT+ACKBLOB that comes late.
      const bool is_good = good.ends_with('=') ? line->starts_with(good) : *line == good;
      if (is_good || line->starts_with(bad)) {
        answer.ok = is_good;
        answer.line = std::move(*line);
        co_return answer;
      }
      if (answer.text.size() < kMaxLine) answer.text += (answer.text.empty() ? "" : " ") + *line;
    }
    Result<void> more = co_await fill(deadline);
    if (!more) co_return pass(std::move(more.error()));
  }
}

Awaitable<Result<Answer>> Session::command(std::string_view text, std::string_view good, std::string_view bad,
                                           milliseconds allowed) {
  const std::string line = std::string(text) + '\r';
  for (unsigned attempt = 0; attempt < options_.attempts; ++attempt) {
    if (attempt > 0) ++result_.resent;
    input_.clear();
    Result<void> written = co_await write(line);
    if (!written) co_return pass(std::move(written.error()));
    const nanoseconds deadline = now() + line_time(line.size()) * 2 + allowed;
    Result<Answer> reply = co_await answer(good, bad, deadline);
    if (reply || reply.error().code != Errc::timeout) co_return reply;
  }
  co_return fail(Errc::timeout, "the bootloader does not answer " + line.substr(0, line.find_first_of("=\r")),
                 stream_.name(), "Press the RESET button on the board and start again");
}

tl::unexpected<Error> Session::refused(std::string what, const Answer& answer) const {
  std::string text;
  for (const char c : answer.text) text += c >= ' ' && c < 0x7F ? c : '.';
  return fail(Errc::refused, std::move(what) + (text.empty() ? "" : ": " + text), stream_.name());
}

Awaitable<Result<bool>> Session::ask_for_bootloader() {
  Result<void> woken = co_await write("b\r");
  if (!woken) co_return pass(std::move(woken.error()));
  Result<void> prompt = co_await wait_text(kPrompt, now() + kPromptTime);
  if (!prompt && prompt.error().code != Errc::timeout) co_return pass(std::move(prompt.error()));
  if (!prompt) co_return false;
  Result<void> asked = co_await write("AT+BOOTMODE\r");
  if (!asked) co_return pass(std::move(asked.error()));
  Result<Answer> reply = co_await answer("AT+ACK", "AT+NACK", now() + kBootModeTime);
  if (!reply && reply.error().code != Errc::timeout) co_return pass(std::move(reply.error()));
  co_return reply && reply->ok;
}

Awaitable<Result<void>> Session::enter() {
  bool asked = false;
  if (!options_.skip_reset) {
    Result<bool> answered = co_await ask_for_bootloader();
    if (!answered) co_return pass(std::move(answered.error()));
    asked = *answered;
    if (!asked) say("The application does not answer. Press the RESET button on the board");
  }
  Result<void> faster = co_await stream_.set_baud(options_.baud);
  if (!faster) co_return faster;
  input_.clear();
  const nanoseconds deadline =
      now() + (asked || options_.skip_reset ? nanoseconds(kBannerTime) : nanoseconds(kButtonTime));
  // The banner may have passed before the rate was changed, and a CR may fall into the restart: ask until a prompt
  // comes.
  while (now() < deadline) {
    Result<void> nudged = co_await write("\r");
    if (!nudged) co_return nudged;
    Result<void> prompt = co_await wait_text(kPrompt, std::min(deadline, now() + kNudge));
    if (prompt) co_return Result<void>();
    if (prompt.error().code != Errc::timeout) co_return prompt;
    if (input_.find(kBanner) != std::string::npos) input_.clear();
  }
  co_return fail(Errc::timeout, "no bootloader answers at " + std::to_string(options_.baud) + " baud", stream_.name(),
                 "Press the RESET button on the board, or give its bootloader's rate with --baud");
}

Awaitable<Result<void>> Session::version() {
  Result<Answer> reply = co_await command("AT+VER?", "AT+VER=", "AT+NACK", kReplyTime);
  if (!reply) co_return pass(std::move(reply.error()));
  if (!reply->ok) co_return refused("the bootloader does not tell its version", *reply);
  result_.version = reply->line.substr(std::string_view("AT+VER=").size());
  std::array<std::uint32_t, 3> parts{};
  std::string_view rest = result_.version;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::size_t dot = i + 1 < parts.size() ? rest.find('.') : rest.size();
    const wire::Result<std::uint32_t> part = wire::parse_u32(rest.substr(0, dot));
    if (!part || dot == std::string_view::npos)
      co_return fail(Errc::unsupported, "the bootloader's version is no version", result_.version);
    parts[i] = *part;
    rest.remove_prefix(std::min(rest.size(), dot + 1));
  }
  if (parts[0] != 1 || parts[1] != 0)
    co_return fail(Errc::unsupported, "this bootloader speaks another protocol", result_.version,
                   "Versions 1.0.x are supported");
  result_.block_bytes = parts[2] < 2 ? kOldBlock : kMaxBlock;
  co_return Result<void>();
}

Awaitable<Result<void>> Session::announce() {
  const bool old = result_.block_bytes == kOldBlock;
  const std::string line =
      "AT+APPINFO=New firmware,ECM3532 M3," + eta_crc(image_) + "," + std::to_string(image_.size());
  Result<Answer> reply = co_await command(line, "AT+ACK", "AT+NACK", kReplyTime);
  if (!reply) co_return pass(std::move(reply.error()));
  if (!reply->ok) co_return refused("the bootloader refused the image's size or checksum", *reply);
  const std::optional<std::uint32_t> told = number_behind(reply->text, "AT+BLOBSIZE=");
  if (!old && told && *told >= 16 && *told <= kMaxBlock) result_.block_bytes = *told;
  co_return Result<void>();
}

// A block that cannot be the next one changes nothing, and its refusal tells which one is.
Awaitable<Result<std::uint32_t>> Session::expected_block() {
  Result<Answer> reply = co_await command("AT+BINBLOB=2147483646,0,AA==", "AT+ACKBLOB=", "AT+NACK", kReplyTime);
  if (!reply) co_return pass(std::move(reply.error()));
  co_return number_behind(reply->text, "expected ").value_or(1);
}

// Gives the number of the block to be sent next.
Awaitable<Result<std::uint32_t>> Session::send_block(std::uint32_t number) {
  const std::size_t begin = std::size_t{number - 1} * result_.block_bytes;
  const std::span<const std::byte> block =
      image_.subspan(begin, std::min<std::size_t>(result_.block_bytes, image_.size() - begin));
  std::string coded(wire::base64_encoded_size(block.size()), '\0');
  static_cast<void>(wire::base64_encode(block, coded));  // the size is right by construction
  const std::string line = "AT+BINBLOB=" + std::to_string(number) + "," + eta_crc(block) + "," + coded;
  const std::string good = "AT+ACKBLOB=" + std::to_string(number);
  for (unsigned attempt = 0; attempt < options_.attempts; ++attempt) {
    Result<Answer> reply = co_await command(line, good, "AT+NACK", kReplyTime);
    if (!reply) co_return pass(std::move(reply.error()));
    if (reply->ok && reply->line == good) co_return number + 1;
    if (reply->text.find("Already received") != std::string::npos) co_return number + 1;
    if (const std::optional<std::uint32_t> wanted = number_behind(reply->text, "Invalid sequence number, expected ");
        wanted && *wanted >= 1 && *wanted <= result_.blocks + 1 && *wanted != number) {
      if (++detours_ <= kMaxDetours) co_return *wanted;
      co_return refused("the bootloader keeps asking for other blocks", *reply);
    }
    if (reply->text.find("Flash programming error") != std::string::npos ||
        reply->text.find("Cannot allocate") != std::string::npos)
      co_return refused("the bootloader refused block " + std::to_string(number), *reply);
    ++result_.resent;  // a checksum, or an answer that was damaged itself
    if (attempt + 1 == options_.attempts)
      co_return refused(
          "the bootloader refused block " + std::to_string(number) + " " + std::to_string(options_.attempts) + " times",
          *reply);
  }
  co_return number;
}

Awaitable<Result<void>> Session::send_blocks(std::uint32_t first) {
  for (std::uint32_t number = first; number <= result_.blocks;) {
    Result<std::uint32_t> next = co_await send_block(number);
    if (!next) co_return pass(std::move(next.error()));
    number = *next;
    if (events_.progress) events_.progress(number - 1, result_.blocks);
  }
  co_return Result<void>();
}

// False: what the board holds is not this image.
Awaitable<Result<bool>> Session::finish() {
  Result<Answer> reply = co_await command("AT+EOU", "AT+ACK", "AT+NACK", kFinishTime);
  if (!reply) co_return pass(std::move(reply.error()));
  if (reply->ok) co_return true;
  if (reply->text.find("Checksum") != std::string::npos) co_return false;
  co_return refused("the bootloader refused the image", *reply);
}

// Its acknowledgement may be lost, and then the application runs: at its own rate.
Awaitable<Result<void>> Session::start_application() {
  for (unsigned attempt = 0; attempt < options_.attempts; ++attempt) {
    input_.clear();
    Result<void> written = co_await write("AT+APPMODE\r");
    if (!written) co_return written;
    Result<Answer> reply = co_await answer("AT+ACK", "AT+NACK", now() + kBootModeTime);
    if (reply && !reply->ok) co_return refused("the bootloader does not start the image", *reply);
    if (!reply && reply.error().code != Errc::timeout) co_return pass(std::move(reply.error()));
    Result<void> slower = co_await stream_.set_baud(application_baud_);
    if (!slower || reply) co_return slower;
    Result<void> nudged = co_await write("\r");
    if (!nudged) co_return nudged;
    Result<void> prompt = co_await wait_text(kPrompt, now() + kBootModeTime);
    if (prompt || prompt.error().code != Errc::timeout) co_return prompt;
    Result<void> faster = co_await stream_.set_baud(options_.baud);
    if (!faster) co_return faster;
  }
  co_return fail(Errc::timeout, "the bootloader does not answer AT+APPMODE", stream_.name(),
                 "The image is complete: press the RESET button on the board");
}

Awaitable<Result<EtaResult>> Session::run() {
  application_baud_ = stream_.baud();
  Result<void> step = co_await enter();
  if (step) step = co_await version();
  if (!step) co_return pass(std::move(step.error()));
  std::uint32_t first = 1;
  if (options_.resume && options_.skip_reset) {
    result_.blocks = static_cast<std::uint32_t>((image_.size() + result_.block_bytes - 1) / result_.block_bytes);
    Result<std::uint32_t> wanted = co_await expected_block();
    if (!wanted) co_return pass(std::move(wanted.error()));
    if (*wanted <= result_.blocks + 1) first = *wanted;
  }
  for (unsigned round = 0; round < 2; ++round) {
    result_.resumed_at = first - 1;
    if (first == 1) {
      step = co_await announce();
      if (!step) co_return pass(std::move(step.error()));
      result_.blocks = static_cast<std::uint32_t>((image_.size() + result_.block_bytes - 1) / result_.block_bytes);
    }
    step = co_await send_blocks(first);
    if (!step) co_return pass(std::move(step.error()));
    Result<bool> whole = co_await finish();
    if (!whole) co_return pass(std::move(whole.error()));
    if (*whole) {
      step = co_await start_application();
      if (!step) co_return pass(std::move(step.error()));
      co_return result_;
    }
    if (first == 1) break;
    say("The board held parts of another image; sending all of this one");
    first = 1;
  }
  co_return fail(Errc::verification, "the board read back another checksum than that of the image", stream_.name(),
                 "Send it again; if it persists the flash is faulty");
}

}  // namespace

Result<void> check_eta_image(std::span<const std::byte> image) {
  if (image.size() < kVectors) return fail(Errc::malformed, "the image is too short to have a vector table");
  if (image.size() > kEtaMaxImage) return fail(Errc::limit, "the image is larger than 8 MiB");
  const std::uint32_t stack = word(image, 0);
  const std::uint32_t reset = word(image, 4);
  if (stack < kEtaRamStart || stack > kEtaRamEnd)
    return fail(Errc::malformed, "the image's initial stack pointer " + hex(stack) + " is outside the RAM", {},
                "The image must be a raw binary for the ECM3532, linked for " + hex(kEtaImageStart));
  if (reset < kEtaImageStart)
    return fail(Errc::malformed, "the image's reset vector " + hex(reset) + " lies before the image", {},
                "The image must be a raw binary for the ECM3532, linked for " + hex(kEtaImageStart));
  return {};
}

std::string eta_crc(std::span<const std::byte> bytes) {
  return std::to_string(static_cast<std::int32_t>(wire::Crc32::of(bytes)));
}

Awaitable<Result<EtaResult>> eta_flash(serial::ByteStream& stream, std::span<const std::byte> image, EtaOptions options,
                                       EtaEvents events) {
  Result<void> checked = check_eta_image(image);
  if (!checked) co_return pass(std::move(checked.error()));
  Session session(stream, image, options, events);
  co_return co_await session.run();
}

}  // namespace tml::flashlink
