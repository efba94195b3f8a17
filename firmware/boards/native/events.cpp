// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/events.hpp"

#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

namespace tml::fw::native {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

const char* name_of(FaultSchedule::Event event) {
  switch (event) {
    case FaultSchedule::Event::unplug:
      return "unplug";
    case FaultSchedule::Event::replug:
      return "replug";
    case FaultSchedule::Event::reset:
      return "reset";
  }
  return "";
}

Json faults_json(const ByteFaultCounts& counts) {
  return {{"dropped", counts.dropped},
          {"corrupted", counts.corrupted},
          {"flipped", counts.flipped},
          {"duplicated", counts.duplicated},
          {"delayed", counts.delayed}};
}

void add_line(Json& out, const Events::Line& line) {
  out["tx_bytes"] = line.counters.tx_bytes;
  out["rx_bytes"] = line.counters.rx_bytes;
  out["tx_overrun_bytes"] = line.counters.tx_overrun;
  out["rx_overrun_bytes"] = line.counters.rx_overrun;
  out["tx_unheard_bytes"] = line.counters.tx_unheard;
  out["garbled_bytes"] = line.counters.garbled;
  out["tx_faults"] = faults_json(line.tx);
  out["rx_faults"] = faults_json(line.rx);
}

std::string line_text(const Events::Line& line) {
  return "sent " + std::to_string(line.counters.tx_bytes) + ", received " + std::to_string(line.counters.rx_bytes) +
         " bytes; overrun " + std::to_string(line.counters.tx_overrun) + " out, " +
         std::to_string(line.counters.rx_overrun) + " in; garbled " + std::to_string(line.counters.garbled) +
         "; faults " + std::to_string(line.tx.total() + line.rx.total());
}

}  // namespace

void Events::put(const std::string& json, const std::string& text, bool important) const {
  if (form_ == Form::text && !important && !verbose_) return;
  const std::string out = (form_ == Form::json ? json : "tml-board: " + text) + "\n";
  for (std::size_t at = 0; at < out.size();) {
    const ssize_t put = ::write(fd_, out.data() + at, out.size() - at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return;
    at += static_cast<std::size_t>(put);
  }
}

void Events::ready(unsigned board, const Ready& ready) {
  Json out{{"event", "ready"},         {"board", board},
           {"pty", ready.pty},         {"link", ready.link},
           {"id", ready.id},           {"state", ready.state},
           {"seed", ready.seed},       {"baud_model", ready.baud_model},
           {"profile", ready.profile}, {"replugged", ready.replugged}};
  put(dump(out),
      "board " + std::to_string(board) + " (" + ready.id + ") is on " +
          (ready.link.empty() ? ready.pty : ready.link + " -> " + ready.pty),
      true);
}

void Events::capture(unsigned board, std::string_view sensor, std::string_view label, std::string_view source) {
  Json out{{"event", "capture"}, {"board", board}, {"sensor", sensor}, {"label", label}, {"source", source}};
  put(dump(out), "capturing '" + std::string(label) + "' from " + std::string(sensor) + ", " + std::string(source),
      false);
}

void Events::sample(unsigned board, std::string_view file, std::uint64_t size_bytes) {
  Json out{{"event", "sample"}, {"board", board}, {"file", file}, {"size_bytes", size_bytes}};
  put(dump(out), "stored " + std::string(file) + ", " + std::to_string(size_bytes) + " bytes", false);
}

void Events::stream(std::string_view event, unsigned board, const StreamSession& session, std::size_t max_ranges) {
  std::string text = event == "stream" ? "streaming from " : "streamed from ";
  if (event == "stream_dropping") text = "the host reads too slowly: dropping readings from ";
  text += session.sensor + " as " + session.form;
  if (event == "stream_end") {
    text += ": taken " + std::to_string(session.taken) + ", sent " + std::to_string(session.sent) + ", lost " +
            std::to_string(session.lost.readings()) + ", damaged " + std::to_string(session.damaged.readings()) +
            ", dropped " + std::to_string(session.dropped.readings());
  }
  put(stream_json(event, board, session, max_ranges), text, false);
}

void Events::fault(unsigned board, FaultSchedule::Event event) {
  Json out{{"event", "fault"}, {"board", board}, {"fault", name_of(event)}};
  put(dump(out), std::string("fault: ") + name_of(event), false);
}

void Events::restart(unsigned board, std::string_view reason) {
  Json out{{"event", "restart"}, {"board", board}, {"reason", reason}};
  put(dump(out), "restarted by " + std::string(reason), false);
}

void Events::boot(unsigned board, const Boot& boot) {
  Json out{{"event", "boot"},       {"board", board},    {"mode", boot.mode},
           {"reason", boot.reason}, {"slot", boot.slot}, {"version", boot.version}};
  const std::string from = boot.slot.empty() ? std::string() : " from " + std::string(boot.slot);
  put(dump(out), std::string(boot.mode) + " " + boot.version + from + ", after " + std::string(boot.reason), false);
}

void Events::complaint(unsigned board, const Error& error) {
  Json out{{"event", "error"}, {"board", board}, {"code", errc_name(error.code)}, {"message", error.message()}};
  put(dump(out), error.message(), true);
}

void Events::panic(unsigned board, std::string_view text) {
  Json out{{"event", "panic"}, {"board", board}, {"message", text}};
  put(dump(out), "panic: " + std::string(text), true);
}

void Events::line(unsigned board, const Line& line) {
  Json out{{"event", "line"}, {"board", board}};
  add_line(out, line);
  put(dump(out), line_text(line), false);
}

void Events::counters(unsigned board, const Line& line, const FlashWear& wear,
                      std::optional<std::uint32_t> stack_bytes) {
  Json out{{"event", "counters"}, {"board", board}};
  add_line(out, line);
  out["flash"] = {{"erases", wear.erases},
                  {"most_worn_sector", wear.most_worn_sector},
                  {"most_worn_erases", wear.most_worn},
                  {"programs", wear.programs},
                  {"program_bytes", wear.program_bytes}};
  if (stack_bytes) out["stack_bytes"] = *stack_bytes;
  put(dump(out),
      line_text(line) + "; flash erases " + std::to_string(wear.erases) + ", at most " +
          std::to_string(wear.most_worn) + " of one sector" +
          (stack_bytes ? "; stack " + std::to_string(*stack_bytes) + " bytes at most" : std::string()),
      false);
}

}  // namespace tml::fw::native
