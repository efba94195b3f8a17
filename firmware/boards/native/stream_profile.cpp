// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/stream_profile.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>

namespace tml::fw::native {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// sensor-stream reference, section 2: every few seconds.
constexpr nanoseconds kSessionInfoEvery = std::chrono::seconds(5);
constexpr nanoseconds kMaxWait = milliseconds(250);
constexpr nanoseconds kBlockedCheck = milliseconds(50);
// Readings of a fast sensor leave together, and boards of one process at the same instants: wake-ups are what streaming
// costs.
constexpr nanoseconds kGather = milliseconds(1);
constexpr nanoseconds kGatherTogether = milliseconds(4);
constexpr std::size_t kMaxEventRanges = 64;
constexpr std::size_t kSmallPiece = 512;  // the longest line or frame of one reading

constexpr std::uint64_t kSidSalt = 0x736964;
constexpr std::uint64_t kLoseSalt = 0x6C6F7365;
constexpr std::uint64_t kBadSalt = 0x626164;
constexpr std::uint64_t kStallSalt = 0x7374616C6C;

tl::unexpected<Error> bad_spec(std::string_view spec, std::string why) {
  return fail(Errc::usage, "--stream: " + std::move(why), "'" + std::string(spec.substr(0, 80)) + "'",
              "Example: inertial,200,frames");
}

double highest_rate(SensorKind kind) { return static_cast<double>(sensor_info(kind).frequencies_hz.back()); }

Error truth_error(const StreamOptions& options) {
  return fail(Errc::io, "--truth: cannot write the file", options.truth.string()).value();
}

constexpr std::array<std::string_view, 4> kProfiles{"tml", "csv", "frames", "ecm3532"};

}  // namespace

std::string_view profile_name(Profile profile) { return kProfiles[static_cast<std::size_t>(profile)]; }

std::optional<Profile> profile_named(std::string_view name) {
  const auto* const found = std::find(kProfiles.begin(), kProfiles.end(), name);
  if (found == kProfiles.end()) return std::nullopt;
  return static_cast<Profile>(found - kProfiles.begin());
}

Result<void> parse_stream_spec(std::string_view spec, Profile profile, StreamOptions& options) {
  std::array<std::string_view, 3> parts{};
  std::size_t count = 0;
  std::string_view rest = spec;
  while (true) {
    const std::size_t comma = rest.find(',');
    if (count == parts.size()) return bad_spec(spec, "more than SENSOR,HZ,FORM");
    parts[count++] = rest.substr(0, comma);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  const std::optional<SensorKind> kind = sensor_kind(parts[0]);
  if (!kind)
    return bad_spec(spec, "no such sensor; there are accelerometer, microphone, environmental, inertial and inertial6");
  options.sensor = *kind;
  if (count > 1) {
    const auto [end, code] = std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), options.hz);
    if (code != std::errc{} || end != parts[1].data() + parts[1].size() || !(options.hz >= StreamOptions::kMinHz) ||
        options.hz > StreamOptions::kMaxHz)
      return bad_spec(spec, "expected a rate from 0.01 to 20000 Hz");
  }
  if (count > 2) {
    const std::optional<app::StreamForm> form = app::stream_form(parts[2]);
    if (!form) return bad_spec(spec, "the form is text, frames or batch");
    if ((profile == Profile::csv) != (*form == app::StreamForm::text))
      return bad_spec(spec, "the profile csv sends text, the profile frames sends frames or batch");
    options.form = *form;
  }
  return {};
}

Result<void> StreamProfile::prepare(const StreamOptions& options) {
  if (options.truth.empty()) return {};
  std::ofstream file(options.truth, std::ios::trunc);
  if (!file) return tl::unexpected(truth_error(options));
  return {};
}

StreamProfile::StreamProfile(const StreamOptions& options, const ReadingFaults& faults, std::uint64_t seed,
                             const Wiring& wiring)
    : options_(options),
      faults_(faults),
      wiring_(wiring),
      max_piece_(options.form == app::StreamForm::batch ? app::StreamEncoder::kMaxPiece : kSmallPiece),
      sids_(seed ^ kSidSalt),
      lose_(seed ^ kLoseSalt),
      bad_(seed ^ kBadSalt),
      stall_(seed ^ kStallSalt),
      row_(wiring.sensor.info().axes.size()) {
  if (options_.hz == 0) options_.hz = highest_rate(options_.sensor);
  interval_us_ = 1e6 / options_.hz;
}

void StreamProfile::power_up(Time now) {
  end_session();
  begin_at_ = now;
  if (!options_.reset_on_open) return;
  begin_at_ = wiring_.uart.host_open() ? now + *options_.reset_on_open : kNever;
}

void StreamProfile::begin(Time now) {
  session_ = StreamSession{};
  session_.sid = static_cast<std::uint32_t>(sids_.next_u64());
  session_.hz = options_.hz;
  session_.form = app::stream_form_name(options_.form);
  const hal::SensorInfo& info = wiring_.sensor.info();
  session_.sensor = info.name;
  for (const hal::Axis& axis : info.axes) session_.axes.emplace_back(axis.name);
  begin_at_ = kNever;
  stalled_until_ = nanoseconds(0);
  session_info_at_ = now + kSessionInfoEvery;
  start_us_ = wiring_.clock.device_us();
  if (!wiring_.sensor.start(interval_us_ / 1000)) return;  // its source has told why
  running_ = true;
  session_.source = wiring_.sensor.source().description();
  encoder_.begin(info, options_.form, options_.hz, session_.sid, options_.crc);
  wiring_.events.stream("stream", wiring_.board, session_, 0);
  // A delimiter: a reset may have cut a frame short.
  if (options_.form != app::StreamForm::text) out_ += '\0';
  for (const std::string& line : options_.banner) out_ += line + "\r\n";
  if (options_.form != app::StreamForm::text || options_.header) out_ += encoder_.session(0);
}

void StreamProfile::end_session() {
  if (!running_) return;
  running_ = false;
  wiring_.sensor.stop();
  drop_kept();
  wiring_.events.stream("stream_end", wiring_.board, session_, kMaxEventRanges);
  if (options_.truth.empty()) return;
  std::ofstream file(options_.truth, std::ios::app);
  file << stream_json("stream_end", wiring_.board, session_, IndexRanges::kMaxRanges) << "\n";
  if (!file.flush()) wiring_.events.complaint(wiring_.board, truth_error(options_));
}

void StreamProfile::follow_host(Time now) {
  if (!host_came()) return;
  host_visits_ = wiring_.uart.host_visits();
  if (!options_.reset_on_open) return;
  end_session();
  out_.clear();
  wiring_.uart.restart_line();
  begin_at_ = now + *options_.reset_on_open;
}

bool StreamProfile::take_reading() {
  const std::uint64_t at_us = wiring_.sensor.ready_us();
  const auto ts_ms = static_cast<std::uint32_t>((at_us - start_us_) / 1000);
  const auto seq = static_cast<std::uint32_t>(session_.taken);
  if (wiring_.sensor.info().form == hal::SampleForm::i16_audio) {
    std::int16_t sample = 0;
    if (wiring_.sensor.read_audio({&sample, 1}) == 0) return false;
    encoder_.add(seq, ts_ms, sample);
  } else {
    if (wiring_.sensor.read_rows(row_) == 0) return false;
    encoder_.add(seq, ts_ms, row_);
  }
  ++session_.taken;
  return true;
}

void StreamProfile::emit(Time now) {
  const std::uint64_t count = encoder_.kept();
  const std::uint64_t first = session_.taken - count;
  // Each sequence advances by one draw per piece, whatever the others did.
  const bool lose = faults_.lose > 0 && lose_.next_unit() < faults_.lose;
  const bool bad = faults_.bad > 0 && bad_.next_unit() < faults_.bad;
  const bool stall = faults_.stall > 0 && stall_.next_unit() < faults_.stall;
  if (lose) {
    (void)encoder_.discard();
    session_.lost.add(first, count);
  } else {
    const std::size_t from = out_.size();
    out_ += encoder_.encode();
    if (bad) {
      damage(from);
      session_.damaged.add(first, count);
    } else {
      session_.sent += count;
    }
  }
  if (!stall) return;
  stalled_until_ = now + faults_.stall_for;
  ++session_.stall_count;
  if (session_.stalls.size() < StreamSession::kMaxStalls)
    session_.stalls.push_back({session_.taken, std::chrono::duration<double, std::milli>(faults_.stall_for).count()});
}

// One byte changes. In a line it becomes one that no number has, so that the damage can be seen; in a frame any other,
// but no delimiter: the CRC tells.
void StreamProfile::damage(std::size_t from) {
  const bool text = options_.form == app::StreamForm::text;
  const std::size_t end = out_.size() - (text ? 2 : 1);
  const std::size_t at = from + bad_.next_u64() % (end - from);
  const auto old = static_cast<std::uint8_t>(out_[at]);
  const std::uint64_t random = bad_.next_u64();
  auto fresh = static_cast<std::uint8_t>(text ? 0x80 | random : 1 + random % 255);
  if (fresh == old) fresh = old == 1 ? 2 : 1;
  out_[at] = static_cast<char>(fresh);
}

void StreamProfile::drop_kept() {
  if (encoder_.kept() == 0) return;
  if (session_.dropped.readings() == 0 && running_)
    wiring_.events.stream("stream_dropping", wiring_.board, session_, 0);
  session_.dropped.add(session_.taken - encoder_.kept(), encoder_.kept());
  (void)encoder_.discard();
}

void StreamProfile::shed() {
  const auto wait_us = std::chrono::duration<double, std::micro>(kMaxWait + faults_.stall_for).count();
  while (!limit_reached()) {
    const std::uint64_t now_us = wiring_.clock.device_us();
    const std::uint64_t ready_us = wiring_.sensor.ready_us();
    if (ready_us > now_us) return;
    const auto waited_us = static_cast<double>(wiring_.clock.wire_delay_us(now_us - ready_us));
    if (waited_us < wait_us) return;
    drop_kept();
    if (!take_reading()) return;
  }
}

void StreamProfile::gather(Time now) {
  while (now >= stalled_until_) {
    if (!room()) return shed();
    if (options_.form != app::StreamForm::text && now >= session_info_at_) {
      session_info_at_ = now + kSessionInfoEvery;
      out_ += encoder_.session(static_cast<std::uint32_t>(session_.dropped.readings()));
    }
    if (!encoder_.full() && !limit_reached() && !take_reading()) return;
    if (encoder_.kept() == 0) return;
    if (encoder_.full() || limit_reached()) emit(now);
  }
}

StreamProfile::Time StreamProfile::next_due(Time now) const {
  if (!running_) return begin_at_;
  if (now < stalled_until_) return stalled_until_;
  if (wiring_.uart.tx_space() < max_piece_) return now + kBlockedCheck;
  const std::uint64_t device_us = wiring_.clock.device_us();
  std::uint64_t missing = encoder_.capacity() - encoder_.kept();
  if (encoder_.full() || limit_reached()) return now;
  if (options_.limit != 0) missing = std::min(missing, options_.limit - session_.taken);
  const std::uint64_t ready_us = wiring_.sensor.ready_us() +
                                 static_cast<std::uint64_t>(std::ceil(static_cast<double>(missing - 1) * interval_us_));
  if (ready_us <= device_us) return now;
  Time at = now + microseconds(wiring_.clock.wire_delay_us(ready_us - device_us));
  if (options_.form != app::StreamForm::text) at = std::min(at, session_info_at_);
  if (wiring_.alone) return std::max(at, now + kGather);
  const Time half = microseconds(wiring_.clock.wire_delay_us(static_cast<std::uint64_t>(interval_us_ / 2)));
  const Time grid = std::clamp(half / kGather * kGather, kGather, kGatherTogether);
  return (at + grid - nanoseconds(1)) / grid * grid;
}

StreamProfile::Time StreamProfile::poll(Time now) {
  std::array<std::uint8_t, 256> ignored;  // NOLINT: filled by read
  while (wiring_.uart.read(ignored) > 0) {
  }
  follow_host(now);
  if (!running_ && now >= begin_at_) begin(now);
  if (running_) gather(now);
  if (!out_.empty()) {
    const std::span<const char> bytes(out_);
    out_.erase(0, wiring_.uart.write({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}));
  }
  if (running_ && limit_reached() && encoder_.kept() == 0 && out_.empty()) end_session();
  return next_due(now);
}

}  // namespace tml::fw::native
