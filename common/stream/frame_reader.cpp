// SPDX-License-Identifier: Apache-2.0
#include "common/stream/frame_reader.hpp"

#include <algorithm>
#include <cmath>

namespace tml::stream {
namespace {

/// A jump beyond this in a frame without CRC needs a second frame to be believed: one flipped bit could claim millions.
constexpr std::uint32_t kBelievableGap = 1U << 16U;
/// Frames in a row that must agree on a `seq` from the past before it is taken as a board that restarted unannounced.
constexpr std::uint32_t kRestartRun = 4;
constexpr std::uint32_t kHalf = 1U << 31U;

}  // namespace

FrameReader::FrameReader()
    : memory_(std::make_unique<std::byte[]>(wire::kMaxStreamFrame)),
      frames_(std::span(memory_.get(), wire::kMaxStreamFrame)) {}

double FrameReader::stated_hz() const {
  if (session_ && session_->hz > 0) return session_->hz;
  return batch_us_ > 0 ? 1e6 / batch_us_ : 0;
}

void FrameReader::push(std::span<const std::byte> bytes, Time arrival, Sink sink) {
  for (const std::byte byte : bytes) {
    switch (frames_.push(byte)) {
      case wire::StreamFrameReader::Event::none:
        break;
      case wire::StreamFrameReader::Event::error:
        bad(frames_.error(), arrival, sink);
        break;
      case wire::StreamFrameReader::Event::item:
        item(frames_.item(), frames_.checked(), arrival, sink);
        break;
    }
  }
}

void FrameReader::bad(wire::Errc error, Time arrival, Sink sink) {
  ++counters_.bad_frames;
  FrameEvent event;
  event.kind = FrameEvent::Kind::bad_frame;
  event.arrival = arrival;
  event.index = next_index_;
  event.error = error;
  sink(event);
}

bool FrameReader::fits(std::size_t channels) {
  if (axes_ == 0) axes_ = channels;
  return axes_ == channels;
}

void FrameReader::item(const wire::StreamItem& item, bool checked, Time arrival, Sink sink) {
  if (const auto* info = std::get_if<wire::SessionInfo>(&item)) {
    ++counters_.frames;
    if (!checked) ++counters_.unchecked;
    return session_info(*info, arrival, sink);
  }
  const auto* reading = std::get_if<wire::SensorReading>(&item);
  const auto* batch = std::get_if<wire::SensorBatch>(&item);
  const std::size_t channels = reading != nullptr ? reading->count : batch->channels;
  if (!fits(channels)) return bad(wire::Errc::malformed, arrival, sink);
  const std::uint64_t count = reading != nullptr ? 1 : batch->count;
  if (reading != nullptr) {
    // No sample can hold them, and a float that is not finite in a frame without CRC is damage.
    const auto view = std::span(reading->values).first(channels);
    if (!std::all_of(view.begin(), view.end(), [](double v) { return std::isfinite(v); }))
      return bad(wire::Errc::bad_number, arrival, sink);
  } else {
    for (std::size_t i = 0; i < count * channels; ++i) {
      if (!std::isfinite(batch->value(i))) return bad(wire::Errc::bad_number, arrival, sink);
    }
    batch_us_ = batch->period_us;
  }
  ++counters_.frames;
  if (!checked) ++counters_.unchecked;
  const auto skip = place(reading != nullptr ? reading->seq : batch->seq, count, checked, arrival, sink);
  if (!skip) return;
  FrameEvent event;
  event.kind = FrameEvent::Kind::reading;
  event.arrival = arrival;
  for (std::uint64_t i = *skip; i < count; ++i) {
    event.index = next_index_++;
    event.values.count = 0;
    if (reading != nullptr) {
      for (std::size_t c = 0; c < channels; ++c) event.values.append(reading->values[c]);
      event.board_time_us = std::uint64_t{reading->ts_ms} * 1000;
    } else {
      for (std::size_t c = 0; c < channels; ++c) event.values.append(batch->value(i * channels + c));
      event.board_time_us = std::uint64_t{batch->ts_ms} * 1000 + i * batch->period_us;
    }
    ++counters_.readings;
    sink(event);
  }
}

std::optional<std::uint64_t> FrameReader::place(std::uint32_t seq, std::uint64_t count, bool checked, Time arrival,
                                                Sink sink) {
  const auto after = static_cast<std::uint32_t>(seq + count);
  if (!next_seq_) {
    next_seq_ = after;
    return 0;
  }
  const std::uint32_t ahead = seq - *next_seq_;
  const bool past = ahead >= kHalf;
  if (past && static_cast<std::uint32_t>(after - *next_seq_) < kHalf && after != *next_seq_) {
    // A batch that overlaps what was received already.
    const std::uint64_t skip = 0U - ahead;
    counters_.duplicates += skip;
    next_seq_ = after;
    return skip;
  }
  const bool odd = past || (!checked && ahead > kBelievableGap);
  if (!odd) {
    suspect_next_.reset();
    suspect_run_ = 0;
  } else {
    suspect_run_ = suspect_next_ == seq ? suspect_run_ + 1 : 1;
    suspect_next_ = after;
    const bool believed = past ? suspect_run_ >= kRestartRun : suspect_run_ >= 2;
    if (!believed) {
      if (past) ++counters_.duplicates;
      FrameEvent event;
      event.kind = past ? FrameEvent::Kind::duplicate : FrameEvent::Kind::bad_frame;
      event.index = next_index_;
      event.count = count;
      event.arrival = arrival;
      if (!past) ++counters_.bad_frames;
      sink(event);
      return std::nullopt;
    }
    suspect_next_.reset();
    suspect_run_ = 0;
    if (past) {
      ++counters_.reboots;
      next_seq_ = after;
      FrameEvent event;
      event.kind = FrameEvent::Kind::reboot;
      event.index = next_index_;
      event.arrival = arrival;
      event.info = session_ ? &*session_ : nullptr;
      sink(event);
      return 0;
    }
  }
  if (ahead > 0) {
    FrameEvent event;
    event.kind = FrameEvent::Kind::gap;
    event.index = next_index_;
    event.count = ahead;
    event.arrival = arrival;
    counters_.missing += ahead;
    next_index_ += ahead;
    sink(event);
  }
  next_seq_ = after;
  return 0;
}

void FrameReader::session_info(const wire::SessionInfo& info, Time arrival, Sink sink) {
  const bool first = !session_;
  const bool resend = session_ && session_->sid == info.sid;
  FrameEvent event;
  event.arrival = arrival;
  event.index = next_index_;
  if (resend) {
    const std::uint32_t grown = info.dropped - session_->dropped;
    const bool sane = grown < kHalf;
    session_ = info;
    event.info = &*session_;
    if (grown == 0 || !sane) return;
    counters_.board_drops += grown;
    event.kind = FrameEvent::Kind::drops;
    event.count = grown;
    return sink(event);
  }
  session_ = info;
  axes_ = info.channels;
  names_.clear();
  if (info.channel_name_count == info.channels) {
    for (std::size_t i = 0; i < info.channels; ++i) names_.emplace_back(std::string_view(info.channel_names[i]));
  }
  event.info = &*session_;
  if (first) {
    event.kind = FrameEvent::Kind::session;
    return sink(event);
  }
  // Another sid is another boot: seq starts again.
  ++counters_.reboots;
  next_seq_.reset();
  suspect_next_.reset();
  suspect_run_ = 0;
  counters_.board_drops += info.dropped;
  event.kind = FrameEvent::Kind::reboot;
  sink(event);
}

}  // namespace tml::stream
