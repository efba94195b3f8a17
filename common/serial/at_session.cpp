// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "common/serial/at_session.hpp"

#include <algorithm>
#include <cmath>

#include "common/serial/at_session_impl.hpp"
#include "common/serial/device_info.hpp"
#include "common/wire/at_host.hpp"
#include "common/wire/caps.hpp"

namespace tml::serial {
namespace {

using Event = wire::ResponseScanner::Event;
using Nanos = std::chrono::nanoseconds;

// Time-outs of wire reference 1.4 and 1.7.
constexpr Millis kWakeLimit{5000};
constexpr Timeouts kSetter{Millis{2000}, Millis{0}};
constexpr Timeouts kSlowSetter{Millis{10'000}, Millis{0}};
/// A stale prompt that is followed by nothing for this long was the answer's own, its echo damaged.
constexpr Nanos kEchoGrace = std::chrono::milliseconds(500);
constexpr std::size_t kMaxStreamLine = 64 * 1024;

std::string normalised(std::string_view body) {
  std::string text;
  text.reserve(body.size());
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] != '\r') {
      text += body[i];
    } else if (i + 1 == body.size() || body[i + 1] != '\n') {
      text += '\n';
    }
  }
  constexpr std::string_view kBlank = " \t\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string::npos) return {};
  text.erase(text.find_last_not_of(kBlank) + 1);
  text.erase(0, first);
  return text;
}

std::string shortened(std::string_view text) {
  constexpr std::size_t kShown = 200;
  std::string line(text.substr(0, kShown));
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, ' ');
  return line;
}

/// Up to 32 characters, no exponent: boards read it with atof.
std::string decimal(double value) {
  wire::AtCommandBuilder builder("X");
  builder.arg_decimal(value);
  const auto line = builder.line();
  constexpr std::string_view kPrefix = "AT+X=";
  return line ? std::string(line->substr(kPrefix.size())) : std::string();
}

std::optional<SampleEvent> event_of(wire::Marker marker) {
  switch (marker) {
    case wire::Marker::sampling:
      return SampleEvent::started;
    case wire::Marker::done_sampling:
      return SampleEvent::done_sampling;
    case wire::Marker::processing:
      return SampleEvent::processing;
    case wire::Marker::done_processing:
      return SampleEvent::done_processing;
    case wire::Marker::uploading:
      return SampleEvent::uploading;
  }
  return std::nullopt;
}

}  // namespace

bool was_misheard(std::string_view sent, std::string_view answer) {
  constexpr std::string_view kWhole[] = {"Not a valid AT command (", "No handler for AT command (",
                                         "No handler for command! ("};
  for (const std::string_view words : kWhole) {
    const std::size_t at = answer.find(words);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = answer.substr(at + words.size());
    return !(rest.starts_with(sent) && rest.substr(sent.size()).starts_with(")"));
  }
  constexpr std::string_view kName = "Command not found! (";
  const std::size_t at = answer.find(kName);
  if (at == std::string_view::npos) return false;
  const std::string_view name = sent.substr(0, sent.find_first_of("?="));
  const std::string_view rest = answer.substr(at + kName.size());
  return !(rest.starts_with(name) && rest.substr(name.size()).starts_with(")"));
}

bool AtSession::Impl::leaves_line_open(Errc code) {
  switch (code) {
    case Errc::refused:
    case Errc::not_found:
    case Errc::malformed:
    case Errc::usage:
    case Errc::unsupported:
      return false;
    default:
      return true;
  }
}

Error AtSession::Impl::refused(const AtCommand& command, std::string_view words) const {
  std::string what =
      "board refused " + command.describe() + ": " + (words.empty() ? "no OK in its answer" : shortened(words));
  return Error{Errc::refused, std::move(what), stream_.name(), {}, {}};
}

Awaitable<Result<void>> AtSession::Impl::wake(Nanos within) {
  auto woken = co_await line_.wake(line_.now() + within, options_.use_fast_baud ? transfer_baud_ : 0);
  co_return woken;
}

Awaitable<Result<void>> AtSession::Impl::ensure_step() {
  if (line_.in_step() && stream_.baud() == options_.base_baud) co_return Result<void>{};
  auto woken = co_await wake(kWakeLimit);
  co_return woken;
}

Awaitable<Result<AtReply>> AtSession::Impl::run_once(const AtCommand& command, Timeouts timeouts,
                                                     const MarkerFn& on_marker) {
  auto ready = co_await ensure_step();
  if (!ready) co_return pass(std::move(ready.error()));
  // For the time of the command only: a daemon with 200 idle boards must not hold 200 of them.
  const auto memory = std::make_unique_for_overwrite<char[]>(options_.max_reply_bytes);
  wire::ResponseScanner scanner(std::span<char>(memory.get(), options_.max_reply_bytes));
  Budget budget = line_.budget(timeouts);
  auto typed = co_await line_.type(command.line(), scanner, {}, budget);
  if (!typed) co_return pass(std::move(typed.error()));
  bool echoed = line_.typed_blind();
  bool stray = false;
  for (;;) {
    Budget wait = budget;
    if (stray && !echoed) wait.idle = kEchoGrace;
    auto event = co_await line_.next_event(scanner, wait);
    if (!event) {
      if (stray && !echoed && event.error().code == Errc::timeout) {
        co_return fail(Errc::garbage, "answer to " + command.describe() + " was garbled", stream_.name(),
                       "Check the cable and the line rate");
      }
      event.error().what += " to " + command.describe();
      co_return pass(std::move(event.error()));
    }
    if (*event == Event::echo) echoed = true;
    if (*event == Event::stray_prompt) stray = true;
    if (*event == Event::marker && on_marker) on_marker(scanner.marker());
    if (*event == Event::prompt) break;
  }
  if (scanner.overflowed()) {
    co_return fail(
        Errc::limit,
        "answer to " + command.describe() + " is longer than " + std::to_string(options_.max_reply_bytes) + " bytes",
        stream_.name());
  }
  AtReply reply;
  reply.text = normalised(scanner.body());
  if (line_.typed_blind()) {
    const bool late_echo = reply.text.starts_with(command.line());
    if (late_echo) {
      reply.text = normalised(std::string_view(reply.text).substr(command.line().size()));
      ++late_echoes_;
    }
    // A board that was slow once may echo in time next time; one that echoes whole lines never will.
    if (!late_echo || late_echoes_ > 2) line_.learn_echo(false);
  } else {
    line_.learn_echo(true);
  }
  co_return reply;
}

Awaitable<Result<AtReply>> AtSession::Impl::run(const AtCommand& command, Timeouts timeouts, bool repeatable,
                                                const MarkerFn& on_marker) {
  for (unsigned attempt = 0;; ++attempt) {
    auto reply = co_await run_once(command, timeouts, on_marker);
    const bool last = attempt >= options_.retype_limit;
    if (!reply) {
      const bool again = repeatable && reply.error().code == Errc::garbage && !last;
      if (!again) co_return pass(std::move(reply.error()));
      line_.lose_step();
      continue;
    }
    if (was_misheard(command.line(), reply->text) && !last) {
      ++line_.stats().retyped;
      continue;
    }
    if (reply->text.find("Not a valid AT command") != std::string::npos) co_return pass(refused(command, reply->text));
    co_return reply;
  }
}

Awaitable<Result<void>> AtSession::Impl::set(Result<AtCommand> command, Timeouts timeouts) {
  if (!command) co_return pass(std::move(command.error()));
  auto reply = co_await run(*command, timeouts, true, {});
  if (!reply) co_return pass(std::move(reply.error()));
  if (reply->ok()) co_return Result<void>{};
  co_return pass(refused(*command, reply->refusal().value_or(reply->text)));
}

Awaitable<Result<DeviceInfo>> AtSession::Impl::config() {
  const auto command = AtCommand::make("CONFIG", AtCommand::Form::read);
  auto reply = co_await run(*command, kSetter, true, {});
  if (!reply) co_return pass(std::move(reply.error()));
  if (const auto words = reply->refusal(); words && reply->text.find("= Device info =") == std::string::npos) {
    co_return pass(refused(*command, *words));
  }
  auto device = parse_device_info(reply->text, stream_.name());
  if (!device) co_return device;
  const AtVersion version = device->at_version;
  if (!wire::incumbent_accepts(wire::AtVersion{version.major, version.minor, version.patch})) {
    co_return fail(Errc::unsupported,
                   "board speaks AT version " + version.text() + "; 1.8 is the highest that is known", stream_.name(),
                   "Update this program, or flash a firmware with AT version 1.8 or lower");
  }
  version_ = version;
  transfer_baud_ = device->transfer_baud;
  co_return device;
}

Awaitable<Result<InfoReply>> AtSession::Impl::info() {
  const auto command = AtCommand::make("INFO");
  auto reply = co_await run(*command, kSetter, true, {});
  InfoReply result;
  if (!reply && reply.error().code != Errc::refused) co_return pass(std::move(reply.error()));
  if (reply && !reply->refusal()) result.text = std::move(reply->text);
  const wire::Caps caps = wire::find_caps(result.text);
  if (caps.ranges) result.caps.emplace_back(wire::kCapRanges);
  if (caps.files) result.caps.emplace_back(wire::kCapFiles);
  if (caps.streams) result.caps.emplace_back(wire::kCapStreams);
  caps_ = result.caps;
  co_return result;
}

Awaitable<Result<SampleFile>> AtSession::Impl::sample(const SampleRequest& request, const SampleEventFn& on_event) {
  const std::string interval = decimal(request.interval_ms);
  const std::string length = std::to_string(request.length_ms);
  if (!std::isfinite(request.interval_ms) || request.interval_ms < 0 || interval.empty()) {
    co_return fail(Errc::usage, "sampling interval must be a number of milliseconds above 0", "interval");
  }
  std::vector<AtCommand::Arg> settings = {
      {"label", request.label, false, 127, false}, {"interval", interval}, {"length", length}};
  if (!request.hmac_key.empty()) settings.push_back({"HMAC key", request.hmac_key, true, 32});
  // Everything is checked before anything is sent, so that a bad sensor name does not leave half the settings behind.
  auto set_sampling = AtCommand::make("SAMPLESETTINGS", settings);
  if (!set_sampling) co_return pass(std::move(set_sampling.error()));
  const std::vector<AtCommand::Arg> sensor = {{"sensor", request.sensor, false, 127, false}};
  auto start = AtCommand::make("SAMPLESTART", sensor);
  if (!start) co_return pass(std::move(start.error()));
  const bool with_upload = !request.api_key.empty() || !request.upload_path.empty();
  const std::vector<AtCommand::Arg> upload = {{"API key", request.api_key, true}, {"upload path", request.upload_path}};
  auto set_upload = AtCommand::make("UPLOADSETTINGS", upload);
  if (!set_upload) co_return pass(std::move(set_upload.error()));

  auto settled = co_await set(std::move(set_sampling), kSetter);
  if (!settled) co_return pass(std::move(settled.error()));
  if (with_upload) {
    auto uploaded = co_await set(std::move(set_upload), kSetter);
    if (!uploaded) co_return pass(std::move(uploaded.error()));
  }
  const MarkerFn on_marker = [&on_event](wire::Marker marker) {
    const auto event = event_of(marker);
    if (event && on_event) on_event(*event);
  };
  // Wire reference 1.9: ten times the length plus 3 s.
  const Timeouts timeouts{(Millis(request.length_ms) + Millis(3000)) * 10, Millis(0)};
  auto reply = co_await run(*start, timeouts, false, on_marker);
  if (!reply) co_return pass(std::move(reply.error()));

  const wire::SamplingReport report = wire::parse_sampling_report(reply->text);
  if (!report.error_line.empty()) co_return pass(refused(*start, report.error_line));
  if (report.file_name.empty()) {
    co_return fail(Errc::malformed,
                   "board's answer to " + start->describe() + " names no file: " + shortened(reply->text),
                   stream_.name());
  }
  SampleFile file;
  file.name = std::string(report.file_name);
  file.uploaded_by_device = report.device_uploads;
  if (report.buffer) {
    file.in_buffer = true;
    file.from = report.buffer->from;
    file.to = report.buffer->to;
  }
  file.transcript = std::move(reply->text);
  if (!request.hmac_key.empty()) {
    for (std::size_t at = file.transcript.find(request.hmac_key); at != std::string::npos;
         at = file.transcript.find(request.hmac_key, at + 3)) {
      file.transcript.replace(at, request.hmac_key.size(), "***");
    }
  }
  co_return file;
}

Awaitable<Result<void>> AtSession::Impl::stream_lines(const AtCommand& command, const LineFn& on_line,
                                                      Timeouts timeouts) {
  auto ready = co_await ensure_step();
  if (!ready) co_return ready;
  std::array<char, 64> memory;
  wire::ResponseScanner scanner(memory);
  Budget budget = line_.budget(timeouts);
  if (timeouts.total <= Millis::zero()) budget.total_deadline = Nanos::max();
  Budget typing = line_.budget(kSetter);
  auto typed = co_await line_.type(command.line(), scanner, {}, typing);
  if (!typed) co_return typed;
  while (!line_.typed_blind()) {
    auto event = co_await line_.next_event(scanner, typing);
    if (!event) co_return pass(std::move(event.error()));
    if (*event == Event::echo) break;
    if (*event == Event::prompt) co_return Result<void>{};
  }
  std::string text;
  bool stopping = false;
  Nanos last_byte = line_.now();
  for (;;) {
    while (!line_.input().empty()) {
      const std::string_view input = line_.input();
      const std::size_t end = std::min(input.find_first_of("\r\n>"), input.size());
      // The prompt is looked for by the character; everything else moves in runs.
      const std::size_t run = std::max<std::size_t>(end, 1);
      const char first = input.front();
      if (end == 0 && first != '>') {
        line_.consume(1);
        if (text.empty()) continue;
        const bool own_echo = text == command.line();
        const bool go_on = stopping || own_echo || on_line(text);
        text.clear();
        if (go_on) continue;
        stopping = true;
        auto written = co_await line_.write("b\r");
        if (!written) co_return written;
        budget = line_.budget(Timeouts{kWakeLimit, Millis(0)});
        continue;
      }
      const bool prompt = text == ">" && first == ' ';
      if (text.size() < kMaxStreamLine) text.append(input.substr(0, std::min(run, kMaxStreamLine - text.size())));
      line_.consume(run);
      if (!prompt) continue;
      co_return Result<void>{};
    }
    Nanos deadline = budget.total_deadline;
    if (!stopping && timeouts.idle > Millis::zero()) deadline = std::min(deadline, last_byte + Nanos(timeouts.idle));
    auto filled = co_await line_.fill(deadline);
    if (filled && line_.now() <= budget.total_deadline) {
      last_byte = line_.now();
      continue;
    }
    if (filled || filled.error().code == Errc::timeout) {
      co_return fail(
          Errc::timeout,
          stopping ? "board does not stop " + command.describe() : "no more lines from " + command.describe(),
          stream_.name());
    }
    co_return filled;
  }
}

AtSession::AtSession(ByteStream& stream, AtOptions options)
    : impl_(std::make_unique<Impl>(stream, std::move(options))) {}
AtSession::~AtSession() = default;

Awaitable<Result<void>> AtSession::connect() {
  const auto operation = [impl = impl_.get()]() { return impl->wake(kWakeLimit); };
  auto result = co_await impl_->exclusive<void>(operation);
  co_return result;
}

Awaitable<Result<DeviceInfo>> AtSession::config() {
  const auto operation = [impl = impl_.get()]() { return impl->config(); };
  auto result = co_await impl_->exclusive<DeviceInfo>(operation);
  co_return result;
}

Awaitable<Result<InfoReply>> AtSession::info() {
  const auto operation = [impl = impl_.get()]() { return impl->info(); };
  auto result = co_await impl_->exclusive<InfoReply>(operation);
  co_return result;
}

void AtSession::set_device(AtVersion version, std::uint32_t transfer_baud, std::vector<std::string> caps) {
  impl_->version_ = version;
  impl_->transfer_baud_ = transfer_baud;
  impl_->caps_ = std::move(caps);
}

Awaitable<Result<AtReply>> AtSession::command(AtCommand command, Timeouts timeouts) {
  const Impl::MarkerFn no_marker;
  const auto operation = [impl = impl_.get(), &command, timeouts, &no_marker]() {
    return impl->run(command, timeouts, false, no_marker);
  };
  auto result = co_await impl_->exclusive<AtReply>(operation);
  co_return result;
}

Awaitable<Result<void>> AtSession::stream_lines(AtCommand command, LineFn on_line, Timeouts timeouts) {
  const auto operation = [impl = impl_.get(), &command, &on_line, timeouts]() {
    return impl->stream_lines(command, on_line, timeouts);
  };
  auto result = co_await impl_->exclusive<void>(operation);
  co_return result;
}

namespace {

/// Holds a setter's command while it runs: an operation must not own temporaries across co_await.
struct Setter {
  Result<AtCommand> command;
  Timeouts timeouts;
};

}  // namespace

#define TML_SERIAL_RUN_SETTER(setter)                                                                            \
  const auto operation = [impl = impl_.get(), &setter]() { return impl->set(setter.command, setter.timeouts); }; \
  auto result = co_await impl_->exclusive<void>(operation);                                                      \
  co_return result

Awaitable<Result<void>> AtSession::set_device_id(std::string id) {
  const std::vector<AtCommand::Arg> args = {{"device id", id, false, 127, false}};
  const Setter setter{AtCommand::make("DEVICEID", args), kSetter};
  TML_SERIAL_RUN_SETTER(setter);
}

Awaitable<Result<void>> AtSession::set_sample_settings(std::string label, double interval_ms, std::uint32_t length_ms,
                                                       std::string hmac_key) {
  const std::string interval = decimal(interval_ms);
  const std::string length = std::to_string(length_ms);
  std::vector<AtCommand::Arg> args = {
      {"label", label, false, 127, false}, {"interval", interval, false, 127, false}, {"length", length}};
  if (!hmac_key.empty()) args.push_back({"HMAC key", hmac_key, true, 32});
  const Setter setter{AtCommand::make("SAMPLESETTINGS", args), kSetter};
  TML_SERIAL_RUN_SETTER(setter);
}

Awaitable<Result<void>> AtSession::set_upload_settings(std::string api_key, std::string path) {
  const std::vector<AtCommand::Arg> args = {{"API key", api_key, true}, {"upload path", path}};
  const Setter setter{AtCommand::make("UPLOADSETTINGS", args), kSetter};
  TML_SERIAL_RUN_SETTER(setter);
}

Awaitable<Result<void>> AtSession::set_upload_host(std::string url) {
  const std::vector<AtCommand::Arg> args = {{"upload host", url}};
  const Setter setter{AtCommand::make("UPLOADHOST", args), kSetter};
  TML_SERIAL_RUN_SETTER(setter);
}

Awaitable<Result<void>> AtSession::set_mgmt_url(std::string url) {
  const std::vector<AtCommand::Arg> args = {{"management URL", url}};
  const Setter setter{AtCommand::make("MGMTSETTINGS", args), kSetter};
  TML_SERIAL_RUN_SETTER(setter);
}

Awaitable<Result<void>> AtSession::set_wifi(std::string ssid, std::string password, std::int32_t security) {
  const std::string number = std::to_string(security);
  const std::vector<AtCommand::Arg> args = {{"SSID", ssid}, {"WiFi password", password, true}, {"security", number}};
  const Setter setter{AtCommand::make("WIFI", args), kSlowSetter};
  TML_SERIAL_RUN_SETTER(setter);
}
#undef TML_SERIAL_RUN_SETTER

Awaitable<Result<void>> AtSession::clear_config() {
  const auto command = AtCommand::make("CLEARCONFIG");
  const Impl::MarkerFn no_marker;
  const auto operation = [impl = impl_.get(), &command, &no_marker]() {
    return impl->run(*command, kSlowSetter, false, no_marker);
  };
  auto reply = co_await impl_->exclusive<AtReply>(operation);
  // The restart may come after the prompt.
  impl_->line_.lose_step();
  if (!reply) co_return pass(std::move(reply.error()));
  if (const auto words = reply->refusal()) co_return pass(impl_->refused(*command, *words));
  co_return Result<void>{};
}

Awaitable<Result<SampleFile>> AtSession::start_sample(SampleRequest request, SampleEventFn on_event) {
  const auto operation = [impl = impl_.get(), &request, &on_event]() { return impl->sample(request, on_event); };
  auto result = co_await impl_->exclusive<SampleFile>(operation);
  co_return result;
}

Awaitable<Result<void>> AtSession::read_out(ReadProgress& progress, ReadProgressFn on_progress) {
  const auto operation = [impl = impl_.get(), &progress, &on_progress]() {
    return impl->read_out(progress, on_progress);
  };
  auto result = co_await impl_->exclusive<void>(operation);
  co_return result;
}

Awaitable<Result<std::vector<std::byte>>> AtSession::read_buffer(std::uint64_t from, std::uint64_t to,
                                                                 ReadProgressFn on_progress) {
  ReadProgress progress;
  progress.target.from = from;
  progress.target.to = to;
  auto done = co_await read_out(progress, std::move(on_progress));
  if (!done) co_return pass(std::move(done.error()));
  co_return std::move(progress.bytes);
}

Awaitable<Result<std::vector<std::byte>>> AtSession::read_file(std::string file, ReadProgressFn on_progress) {
  ReadProgress progress;
  progress.target.file = std::move(file);
  if (progress.target.file.empty()) co_return fail(Errc::usage, "file name must not be empty", "file");
  auto done = co_await read_out(progress, std::move(on_progress));
  if (!done) co_return pass(std::move(done.error()));
  co_return std::move(progress.bytes);
}

Awaitable<Result<void>> AtSession::unlink_file(std::string file) {
  const std::vector<AtCommand::Arg> args = {{"file", file, false, 127, false}};
  const auto command = AtCommand::make("UNLINKFILE", args);
  if (!command) co_return pass(command.error());
  const Impl::MarkerFn no_marker;
  const auto operation = [impl = impl_.get(), &command, &no_marker]() {
    return impl->run(*command, kSetter, false, no_marker);
  };
  auto reply = co_await impl_->exclusive<AtReply>(operation);
  if (!reply) co_return pass(std::move(reply.error()));
  // Success prints nothing but a line end (wire reference 1.3).
  if (const auto words = reply->refusal()) co_return pass(impl_->refused(*command, *words));
  co_return Result<void>{};
}

Awaitable<Result<std::vector<std::string>>> AtSession::list_files() {
  const auto command = AtCommand::make("LISTFILES");
  const Impl::MarkerFn no_marker;
  const auto operation = [impl = impl_.get(), &command, &no_marker]() {
    return impl->run(*command, kSlowSetter, true, no_marker);
  };
  auto reply = co_await impl_->exclusive<AtReply>(operation);
  if (!reply) co_return pass(std::move(reply.error()));
  if (const auto words = reply->refusal()) co_return pass(impl_->refused(*command, *words));
  std::vector<std::string> files;
  std::string_view rest = reply->text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    if (!line.empty() && line != "OK") files.emplace_back(line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  co_return files;
}

Awaitable<Result<void>> AtSession::abort() {
  impl_->line_.set_aborting(true);
  impl_->line_.lose_step();
  impl_->lock_.evict();
  impl_->stream_.cancel();
  const auto operation = [impl = impl_.get()]() { return impl->wake(kWakeLimit); };
  auto result = co_await impl_->exclusive<void>(operation, true);
  impl_->line_.set_aborting(false);
  co_return result;
}

AtVersion AtSession::version() const { return impl_->version_; }
bool AtSession::has_cap(std::string_view cap) const {
  return std::find(impl_->caps_.begin(), impl_->caps_.end(), cap) != impl_->caps_.end();
}
std::optional<bool> AtSession::echoes() const { return impl_->line_.echoes(); }
const AtStats& AtSession::stats() const { return impl_->line_.stats(); }
std::string AtSession::stray_text() const { return impl_->line_.stray_text(); }

}  // namespace tml::serial
