// SPDX-License-Identifier: Apache-2.0
#include "forwarder/teller.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "common/base/json.hpp"
#include "common/base/log.hpp"

namespace tml::forwarder {
namespace {

using Kind = stream::StreamEvent::Kind;
constexpr std::size_t kMaxText = 200;  // Of a line that a board prints.

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// For a terminal: no control characters.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, kMaxText));
  std::ranges::replace_if(
      out, [](char c) { return c >= 0 && c < ' '; }, ' ');
  return out;
}

std::string hertz(double rate) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.6g Hz", rate);
  return text.data();
}

}  // namespace

Teller::Teller(Station& station, Clock& clock, cli::Reporter& reporter)
    : station_(station), clock_(clock), reporter_(reporter) {
  station_.subscribe(*this);
}

Teller::~Teller() { station_.unsubscribe(*this); }

void Teller::on_opened() {
  reporter_.event("opened",
                  Json{{"input", station_.name()}, {"device", station_.status().device}, {"baud", station_.baud()}},
                  station_.name() + ": open, device " + station_.status().device);
}

void Teller::on_unavailable(const Error& error) {
  reporter_.event(
      "unavailable",
      Json{{"input", station_.name()}, {"code", std::string(errc_name(error.code))}, {"error", error.message()}});
  log_warning(station_.name() + ": " + error.message());
}

void Teller::on_baud(std::uint32_t bits_per_second) {
  reporter_.event("baud", Json{{"input", station_.name()}, {"baud", bits_per_second}},
                  station_.name() + ": " + std::to_string(bits_per_second) + " baud");
}

void Teller::on_ready(const StreamFacts& facts) {
  const auto& status = station_.status();
  reporter_.event("ready",
                  Json{{"input", station_.name()},
                       {"device", facts.device},
                       {"stream", std::string(stream::stream_kind_name(status.kind))},
                       {"axes", facts.axes},
                       {"rate_hz", facts.rate_hz},
                       {"rate_error_ppm", status.rate_error_ppm},
                       {"rate_stated", facts.rate_stated}},
                  station_.name() + ": " + std::to_string(facts.axes.size()) + " axes (" + joined(facts.axes) +
                      ") at " + hertz(facts.rate_hz) + (facts.rate_stated ? ", stated" : ""));
}

void Teller::on_lost(const std::optional<Error>& error) {
  tell_loss();
  const stream::Account total = station_.total();
  Json fields = {{"input", station_.name()},
                 {"device", station_.status().device},
                 {"readings", total.received},
                 {"missing", total.missing}};
  if (!error) return reporter_.event("ended", fields, station_.name() + ": the input has ended");
  if (error->code == Errc::interrupted) return;
  fields["code"] = std::string(errc_name(error->code));
  fields["error"] = error->message();
  reporter_.event("lost", fields);
  log_warning(station_.name() + ": " + error->message());
}

void Teller::on_stream(const stream::StreamEvent& event) {
  const std::string& input = station_.name();
  switch (event.kind) {
    case Kind::reading:
      return;
    case Kind::gap:
      loss_.missing += event.gap.count;
      if (!event.gap.resolved) loss_.unresolved += event.gap.count;
      return;
    case Kind::bad:
      ++loss_.bad;
      return;
    case Kind::board_drops:
      loss_.board_drops += event.count;
      return;
    case Kind::stall:
      ++loss_.stalls;
      loss_.longest_stall_s = std::max(loss_.longest_stall_s, event.seconds);
      return;
    case Kind::recognised: {
      const std::string kind(stream::stream_kind_name(event.stream));
      reporter_.event("stream", Json{{"input", input}, {"stream", kind}, {"score", event.score}});
      if (event.stream == stream::StreamKind::garbage)
        log_warning(input + ": what comes in are no readings; the line rate may be wrong (--baud-rate auto)");
      return;
    }
    case Kind::axes: {
      const std::vector<std::string> names(event.names.begin(), event.names.end());
      return reporter_.event("axes", Json{{"input", input}, {"count", event.axes}, {"names", names}});
    }
    case Kind::board_error:
      reporter_.event("board_error", Json{{"input", input}, {"text", std::string(event.text.substr(0, kMaxText))}});
      return log_warning(input + ": the board says: " + printable(event.text));
    case Kind::message:
      reporter_.event("message", Json{{"input", input}, {"text", std::string(event.text.substr(0, kMaxText))}});
      return log_debug(input + ": " + printable(event.text));
    case Kind::session:
      if (event.session == nullptr) return;
      return reporter_.event("session", Json{{"input", input},
                                             {"session", event.session->sid},
                                             {"name", std::string(event.session->name.view())},
                                             {"stated_hz", event.session->hz}});
    case Kind::reboot:
      reporter_.event("reboot", Json{{"input", input}, {"reading", event.index}});
      return log_warning(input + ": the board restarted");
    case Kind::rate_change:
      reporter_.event("rate_change", Json{{"input", input}, {"reading", event.index}});
      return log_warning(input + ": the board sends at another rate now");
  }
}

void Teller::on_batch() {
  if (loss_.any() && clock_.steady() - told_ >= kEvery) tell_loss();
}

void Teller::tell_loss() {
  if (!loss_.any()) return;
  told_ = clock_.steady();
  const auto& status = station_.status();
  reporter_.event("loss", Json{{"input", station_.name()},
                               {"missing", loss_.missing},
                               {"unresolved", loss_.unresolved},
                               {"bad", loss_.bad},
                               {"board_drops", loss_.board_drops},
                               {"stalls", loss_.stalls},
                               {"longest_stall_ms", loss_.longest_stall_s * 1000},
                               {"missing_total", status.missing},
                               {"bad_total", status.bad_lines}});
  std::string text;
  const auto say = [&text](std::uint64_t count, const char* what) {
    if (count != 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  };
  say(loss_.missing, "readings missing");
  say(loss_.bad, "damaged");
  say(loss_.board_drops, "dropped by the board");
  if (!text.empty()) log_warning(station_.name() + ": " + text);
  loss_ = {};
}

}  // namespace tml::forwarder
