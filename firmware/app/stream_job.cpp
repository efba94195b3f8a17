// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/stream_job.hpp"

#include <algorithm>
#include <cmath>

namespace tml::fw::app {
namespace {

/// A rate is printed with two decimals; what a host computes from it may be a little more than the sensor's own number.
constexpr double kRateTolerance = 1.001;
constexpr double kBitsPerByte = 10;
constexpr double kMicros = 1e6;
/// The least time without a reading after which the sensor counts as gone.
constexpr std::uint64_t kSilenceUs = 2'000'000;
/// Fast readings are fetched together: a wake-up for each would cost more than the reading.
constexpr std::uint64_t kGatherUs = 2000;

}  // namespace

bool StreamJob::line_carries(const hal::SensorInfo& info, double hz, StreamForm form) {
  const std::uint32_t rate = services_.board.uart.line_rate();
  if (rate == 0) return true;
  // Device time may run faster than the wire's: readings come at the wire's pace then.
  const double wire_us = static_cast<double>(services_.board.clock.wire_delay_us(1'000'000));
  const double wire_hz = hz * kMicros / std::max(1.0, wire_us);
  const double needed = StreamEncoder::bytes_per_second(info, form, wire_hz);
  const double carried = rate / kBitsPerByte;
  if (needed <= carried) return true;
  reason_.put("the line is too slow: this stream needs about ")
      .number(static_cast<std::uint64_t>(needed * kBitsPerByte))
      .put(" baud and has ")
      .number(rate)
      .put(", so about ")
      .fixed(hz * carried / needed, 0)
      .put(" Hz as ")
      .put(stream_form_name(form))
      .put(form == StreamForm::batch ? "; lower the rate" : "; lower the rate or stream batch");
  return false;
}

std::string_view StreamJob::begin(hal::Sensor& sensor, double hz, StreamForm form) {
  const hal::SensorInfo& info = sensor.info();
  reason_.clear();
  const double fastest_hz = static_cast<double>(info.frequencies_hz.back());
  if (!(hz >= kMinHz && hz <= fastest_hz * kRateTolerance)) {
    reason_.put("the rate must be between ").fixed(kMinHz, 2).put(" and ").fixed(fastest_hz, 2);
    reason_.put(" Hz for this sensor");
    return reason_.view();
  }
  if (!line_carries(info, hz, form)) return reason_.view();
  const std::uint64_t started_us = services_.board.clock.device_us();
  if (!sensor.start(kMicros / 1000 / hz))
    return "Failed to start streaming: the sensor does not answer or cannot do this rate";
  std::array<std::uint8_t, 4> random{};
  services_.board.random.fill(random);
  std::uint32_t sid = 0;
  for (const std::uint8_t byte : random) sid = sid << 8U | byte;
  encoder_.begin(info, form, hz, sid);
  sensor_ = &sensor;
  stopping_ = false;
  running_ = true;
  silent_ = false;
  interval_us_ = kMicros / hz;
  start_us_ = started_us;
  last_reading_us_ = start_us_;
  stamp_us_ = 0;
  seq_ = 0;
  lost_ = 0;
  dropped_ = 0;
  sent_ = 0;
  // A delimiter, so that the echo of the command does not become part of the first frame.
  if (form != StreamForm::text) services_.out.raw({"\0", 1});
  pending_ = encoder_.session(0);
  session_at_us_ = services_.board.clock.wire_us() + kSessionEveryUs;
  return {};
}

void StreamJob::send_pending() {
  const std::size_t count = std::min(pending_.size(), services_.out.room());
  if (count == 0) return;
  services_.out.raw(pending_.substr(0, count));
  pending_.remove_prefix(count);
}

void StreamJob::finish_piece() {
  send_pending();
  if (!pending_.empty()) {
    dropped_ += static_cast<std::uint32_t>(encoder_.discard());
    return;
  }
  sent_ += encoder_.kept();
  pending_ = encoder_.encode();
  send_pending();
}

// A driver that overflows drops its oldest readings: those it has lost came before the ones it gives now.
void StreamJob::skip_lost() {
  const std::uint32_t lost = sensor_->lost() - lost_;
  if (lost == 0) return;
  finish_piece();
  lost_ += lost;
  dropped_ += lost;
  seq_ += lost;
  stamp_us_ += lost * interval_us_;
}

// A driver that knows when its next reading is due has told its time; of another the last one fetched is from now.
void StreamJob::stamp_from(std::uint64_t ready_us, std::size_t count) {
  const std::uint64_t now_us = services_.board.clock.device_us();
  const double now = static_cast<double>(now_us - start_us_);
  const bool known = ready_us >= start_us_ && ready_us <= now_us;
  const double first =
      known ? static_cast<double>(ready_us - start_us_) : now - static_cast<double>(count - 1) * interval_us_;
  stamp_us_ = std::max(stamp_us_, first);
}

std::uint32_t StreamJob::next_stamp_ms() {
  // Only the first reading of a piece is stamped: a division in software for every audio sample would cost more than
  // the sample.
  const auto at_ms = encoder_.kept() == 0 ? static_cast<std::uint64_t>(stamp_us_ / 1000) : 0;
  stamp_us_ += interval_us_;
  return static_cast<std::uint32_t>(at_ms);
}

std::size_t StreamJob::take_readings() {
  const hal::SensorInfo& info = sensor_->info();
  const std::uint64_t ready_us = sensor_->ready_us();
  if (info.form == hal::SampleForm::i16_audio) {
    const std::size_t count = sensor_->read_audio(audio_);
    if (count == 0) return 0;
    skip_lost();
    stamp_from(ready_us, count);
    for (const std::int16_t sample : std::span(audio_).first(count)) {
      encoder_.add(seq_++, next_stamp_ms(), sample);
      if (encoder_.full()) finish_piece();
    }
    return count;
  }
  const std::size_t axes = info.axes.size();
  const std::size_t count = sensor_->read_rows(std::span(rows_).first(kRowsChunk / axes * axes));
  if (count == 0) return 0;
  skip_lost();
  stamp_from(ready_us, count);
  for (std::size_t i = 0; i < count; ++i) {
    encoder_.add(seq_++, next_stamp_ms(), std::span<const float>(rows_).subspan(i * axes, axes));
    if (encoder_.full()) finish_piece();
  }
  return count;
}

Step StreamJob::step() {
  send_pending();
  const hal::Clock& clock = services_.board.clock;
  if (stopping_ || silent_) return end();
  if (pending_.empty() && encoder_.form() != StreamForm::text && clock.wire_us() >= session_at_us_) {
    session_at_us_ = clock.wire_us() + kSessionEveryUs;
    pending_ = encoder_.session(dropped_);
    send_pending();
  }
  const std::size_t count = take_readings();
  const std::uint64_t now_us = clock.device_us();
  if (count > 0) {
    last_reading_us_ = now_us;
    return Step::again();
  }
  const auto patience_us = std::max(kSilenceUs, static_cast<std::uint64_t>(interval_us_ * 10));
  if (now_us - last_reading_us_ > patience_us) {
    silent_ = true;
    return Step::again();
  }
  const std::uint64_t next_us = std::max(sensor_->ready_us(), now_us + kGatherUs);
  const std::uint64_t until_us = std::min(next_us, last_reading_us_ + patience_us + 1);
  std::uint64_t delay_us = clock.wire_delay_us(until_us - now_us);
  // A slow sensor's session info does not wait for its next reading.
  if (pending_.empty() && encoder_.form() != StreamForm::text) {
    const std::uint64_t wire_us = clock.wire_us();
    delay_us = std::min(delay_us, session_at_us_ > wire_us ? session_at_us_ - wire_us : 0);
  }
  return {false, delay_us, !pending_.empty()};
}

Step StreamJob::end() {
  if (running_) {
    sensor_->stop();
    running_ = false;
  }
  // What was taken before the stop goes out.
  if (pending_.empty() && encoder_.kept() > 0) finish_piece();
  Output& out = services_.out;
  if (!pending_.empty() || out.room() < Line::kMax) return Step::when_sent();
  if (encoder_.form() != StreamForm::text) out.text("\n");
  Line line;
  if (silent_) {
    out.text("ERR: the sensor stopped giving readings\n");
    return Step::finished();
  }
  line.put("Stream stopped, readings sent: ").number(sent_).put(", dropped: ").number(dropped_).put("\nOK\n");
  out.text(line.view());
  return Step::finished();
}

}  // namespace tml::fw::app
