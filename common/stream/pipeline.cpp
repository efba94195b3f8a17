// SPDX-License-Identifier: Apache-2.0
#include "common/stream/pipeline.hpp"

#include "common/wire/errc.hpp"

namespace tml::stream {

using Kind = StreamEvent::Kind;

Pipeline::Pipeline(PipelineSettings settings)
    : kind_(settings.kind), text_(TextReader::Settings{settings.joined_midway}) {}

std::size_t Pipeline::axes() const { return kind_ == StreamKind::frames ? frames_.axes() : text_.axes(); }

std::span<const std::string> Pipeline::names() const {
  return kind_ == StreamKind::frames ? std::span(frames_.names()) : std::span(text_.names());
}

void Pipeline::push(std::span<const std::byte> bytes, Time arrival, Sink sink) {
  if (kind_ == StreamKind::text || kind_ == StreamKind::frames) return route(bytes, arrival, sink);
  detector_.push(bytes, arrival);
  start(sink);
}

void Pipeline::start(Sink sink) {
  const Verdict& verdict = detector_.verdict();
  if (verdict.kind == StreamKind::unknown) return;
  StreamEvent event;
  event.kind = Kind::recognised;
  event.stream = verdict.kind;
  event.score = verdict.score;
  if (verdict.kind == StreamKind::garbage) {
    // Said once; then looked at afresh, since the board may be resetting or the rate about to change.
    if (!garbage_told_) sink(event);
    garbage_told_ = true;
    detector_ = Detector{};
    return;
  }
  kind_ = verdict.kind;
  sink(event);
  detector_.replay([this, sink](std::span<const std::byte> bytes, Time arrival) { route(bytes, arrival, sink); });
}

void Pipeline::route(std::span<const std::byte> bytes, Time arrival, Sink sink) {
  if (kind_ == StreamKind::frames) {
    frames_.push(bytes, arrival, [this, sink](const FrameEvent& frame) { on_frame(frame, sink); });
    return;
  }
  text_.push(bytes, arrival, [this, sink](const LineEvent& line) { on_line(line, sink); });
  line_clock_.settle([this, sink](const LineClockEvent& placed) { on_placed(placed, sink); });
}

void Pipeline::finish(Sink sink) {
  if (kind_ == StreamKind::unknown || kind_ == StreamKind::garbage) {
    detector_.decide();
    start(sink);
  }
  if (kind_ == StreamKind::frames) return frame_clock_.refresh();
  if (kind_ != StreamKind::text) return;
  text_.finish([this, sink](const LineEvent& line) { on_line(line, sink); });
  line_clock_.finish([this, sink](const LineClockEvent& placed) { on_placed(placed, sink); });
}

void Pipeline::announce_axes(Sink sink) {
  StreamEvent event;
  event.kind = Kind::axes;
  event.axes = axes();
  event.names = names();
  sink(event);
}

void Pipeline::on_line(const LineEvent& line, Sink sink) {
  StreamEvent event;
  event.text = line.text;
  event.index = line_clock_.next_index() + held_.size();
  switch (line.kind) {
    case LineEvent::Kind::reading:
      held_.push_back({line.values, false});
      line_clock_.add(line.arrival);
      return;
    case LineEvent::Kind::bad:
      held_.push_back({Values{}, true});
      line_clock_.add(line.arrival);
      event.kind = Kind::bad;
      event.text = bad_line_name(line.bad);
      ledger_.note({Ledger::Note::Kind::bad, event.index, 1, 0});
      return sink(event);
    case LineEvent::Kind::names:
      if (text_.axes() == 0) return;  // The number follows; then both are told.
      return announce_axes(sink);
    case LineEvent::Kind::axes_known:
    case LineEvent::Kind::axes_changed:
      return announce_axes(sink);
    case LineEvent::Kind::board_error:
      event.kind = Kind::board_error;
      return sink(event);
    case LineEvent::Kind::message:
      event.kind = Kind::message;
      return sink(event);
  }
}

void Pipeline::on_placed(const LineClockEvent& placed, Sink sink) {
  StreamEvent event;
  switch (placed.kind) {
    case LineClockEvent::Kind::placed: {
      const HeldLine line = held_.front();
      held_.pop_front();
      if (line.bad) {
        event.kind = Kind::gap;
        event.gap = {placed.index, 1, GapKind::bad_line, true, placed.index, 1};
        ledger_.gap(event.gap);
        return sink(event);
      }
      event.kind = Kind::reading;
      event.reading.index = placed.index;
      event.reading.values = line.values;
      event.reading.at = line_clock_.clock().time_of(static_cast<double>(placed.index));
      ledger_.received(placed.index);
      return sink(event);
    }
    case LineClockEvent::Kind::gap:
      event.kind = Kind::gap;
      event.gap = placed.gap;
      ledger_.gap(event.gap);
      return sink(event);
    case LineClockEvent::Kind::stall:
      event.kind = Kind::stall;
      event.index = placed.stall.index;
      event.seconds = placed.stall.seconds;
      ledger_.note({Ledger::Note::Kind::stall, event.index, 1, event.seconds});
      return sink(event);
    case LineClockEvent::Kind::rate_change:
      event.kind = Kind::rate_change;
      event.index = placed.change.index;
      event.change = placed.change;
      ledger_.note({Ledger::Note::Kind::rate_change, event.index, 1, 0, event.change.could_hide});
      return sink(event);
  }
}

void Pipeline::on_frame(const FrameEvent& frame, Sink sink) {
  StreamEvent event;
  event.index = frame.index;
  event.count = frame.count;
  switch (frame.kind) {
    case FrameEvent::Kind::reading:
      if (frames_.counters().readings == 1 && !frames_.session()) announce_axes(sink);
      // A batch arrives when its last reading was taken; earlier ones would only look late.
      frame_clock_.add(frame.index, frame.arrival);
      event.kind = Kind::reading;
      event.reading = {frame.index, frame_clock_.time_of(static_cast<double>(frame.index)), frame.values};
      ledger_.received(frame.index);
      return sink(event);
    case FrameEvent::Kind::gap:
      event.kind = Kind::gap;
      event.gap = {frame.index, frame.count, GapKind::lost_frames, true, frame.index, frame.count};
      ledger_.gap(event.gap);
      return sink(event);
    case FrameEvent::Kind::session:
      event.kind = Kind::session;
      event.session = frame.info;
      sink(event);
      return announce_axes(sink);
    case FrameEvent::Kind::reboot:
      frame_clock_.restart();
      ledger_.note({Ledger::Note::Kind::reboot, frame.index, 1, 0});
      event.kind = Kind::reboot;
      event.session = frame.info;
      sink(event);
      return announce_axes(sink);
    case FrameEvent::Kind::drops:
      ledger_.note({Ledger::Note::Kind::board_drops, frame.index, frame.count, 0});
      event.kind = Kind::board_drops;
      return sink(event);
    case FrameEvent::Kind::bad_frame:
      ledger_.note({Ledger::Note::Kind::bad, frame.index, 1, 0});
      event.kind = Kind::bad;
      event.text = wire::errc_name(frame.error);
      return sink(event);
    case FrameEvent::Kind::duplicate:
      event.kind = Kind::bad;
      event.text = "duplicate";
      return sink(event);
  }
}

Account Pipeline::total() const {
  Account account = ledger_.total(clock());
  if (kind_ == StreamKind::text) account.unresolved_bound += line_clock_.hidden_bound();
  return account;
}

Account Pipeline::account(const Window& window, GapPolicy policy) const {
  Account account = ledger_.account(window.first, window.first + window.length, window.received(), clock(), policy);
  if (kind_ == StreamKind::text) account.unresolved_bound += line_clock_.hidden_bound();
  return account;
}

}  // namespace tml::stream
