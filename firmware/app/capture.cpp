// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/capture.hpp"

#include <algorithm>
#include <cmath>

#include "common/wire/at.hpp"

namespace tml::fw::app {
namespace {

/// A single is the largest form a float takes in CBOR (wire reference 6.3).
constexpr std::uint64_t kMaxFloatBytes = 5;
/// A frequency list is printed with two decimals; 1000 / that may ask for a little more than the sensor's own number.
constexpr double kRateTolerance = 1.001;
/// The least time without a reading after which the sensor counts as gone.
constexpr std::uint64_t kSilenceUs = 2'000'000;
constexpr std::uint64_t kLateUs = 500;

}  // namespace

Text<kMaxText> file_label(std::string_view label) {
  Text<kMaxText> clean;
  for (const char c : label) {
    const bool unsafe = c < 0x20 || c > 0x7E || c == '/' || c == '\\' || c == ':' || c == ',' || c == '>';
    (void)clean.push_back(unsafe ? '_' : c);
  }
  if (clean.empty()) (void)clean.assign("sample");
  return clean;
}

std::string_view Capture::begin(hal::Sensor& sensor, std::uint64_t minimum_delay_us) {
  const Config& config = services_.config.config();
  const hal::SensorInfo& info = sensor.info();
  sensor_ = &sensor;
  interval_ms_ = static_cast<double>(config.interval_ms);
  minimum_delay_us_ = minimum_delay_us;
  stopping_ = false;
  running_ = false;
  succeeded_ = false;
  reason_.clear();
  const auto fail = [this]() { return reason_.view(); };

  const double fastest_hz = static_cast<double>(info.frequencies_hz.back());
  if (1000.0 / interval_ms_ > fastest_hz * kRateTolerance) {
    reason_.put("an interval of ").fixed(interval_ms_, 5).put(" ms is too short for this sensor, the shortest is ");
    reason_.fixed(1000.0 / fastest_hz, 5).put(" ms");
    return fail();
  }
  if (config.length_ms > std::uint64_t{info.max_seconds} * 1000) {
    reason_.put("a length of ").number(config.length_ms).put(" ms is too long for this sensor, the longest is ");
    reason_.number(std::uint64_t{info.max_seconds} * 1000).put(" ms");
    return fail();
  }
  readings_ = static_cast<std::uint64_t>(std::max(1.0, std::floor(config.length_ms / interval_ms_ + 0.5)));
  taken_ = 0;

  const wire::AcquisitionHeader document = header();
  const std::size_t header_bound = wire::acquisition_header_bound(document);
  if (header_bound > kScratchBytes) {
    reason_.put("the names of this sensor's axes are too long");
    return fail();
  }
  const bool audio = info.form == hal::SampleForm::i16_audio;
  const std::uint64_t per_reading = audio ? 2 : 1 + info.axes.size() * kMaxFloatBytes;
  const std::uint64_t bytes = header_bound + readings_ * per_reading + 1;
  const StoreError error = bytes > UINT32_MAX ? StoreError::no_space
                                              : services_.samples.reserve(file_label(config.label).view(),
                                                                          static_cast<std::uint32_t>(bytes));
  switch (error) {
    case StoreError::none:
      state_ = State::announce;
      return {};
    case StoreError::too_many_files:
      reason_.put("the file table is full (")
          .number(SampleStore::kMaxFiles)
          .put(" files), remove some with AT+UNLINKFILE or AT+CLEARFILES");
      return fail();
    case StoreError::no_space:
      reason_.put("not enough flash: the sample needs up to ").number(bytes).put(" bytes, ");
      reason_.number(services_.samples.largest_free_bytes())
          .put(" are free in one piece; remove files with AT+UNLINKFILE or AT+CLEARFILES");
      return fail();
    case StoreError::flash:
      break;
  }
  reason_.put("the flash does not answer");
  return fail();
}

wire::AcquisitionHeader Capture::header() {
  const hal::SensorInfo& info = sensor_->info();
  const std::size_t count = std::min(info.axes.size(), axes_.size());
  for (std::size_t i = 0; i < count; ++i) axes_[i] = {info.axes[i].name, info.axes[i].units};
  wire::AcquisitionHeader header;
  header.device_name = services_.device_id();
  header.device_type = services_.board.system.info().device_type;
  header.interval_ms = interval_ms_;
  header.sensors = std::span<const wire::AcquisitionSensor>(axes_).first(count);
  header.nonce = nonce_;
  return header;
}

Step Capture::step() {
  if (stopping_ && state_ != State::commit) return give_up("sampling stopped");
  switch (state_) {
    case State::announce:
      return announce();
    case State::erase:
      return erase();
    case State::start:
      return start();
    case State::collect:
      return collect();
    case State::sign:
      return sign();
    case State::commit:
      return commit();
  }
  return Step::finished();
}

Step Capture::announce() {
  const Config& config = services_.config.config();
  Output& out = services_.out;
  if (out.room() < 2 * Line::kMax) return Step::when_sent();
  Line line;
  line.put("Sampling settings:\n\tInterval: ")
      .fixed(interval_ms_, 5)
      .put(" ms.\n\tLength: ")
      .number(config.length_ms)
      .put(" ms.\n\tName: ");
  out.text(line.view());
  wire::write_without_prompt(config.label.view(), services_.sink());
  line.clear();
  line.put("\n\tHMAC Key: ")
      .put(config.hmac_key.view())
      .put("\n\tFile name: ")
      .put(services_.samples.reserved_name().view())
      .put('\n');
  out.text(line.view());
  line.clear();
  line.put("Starting in ").number(minimum_delay_us_ / 1000).put(" ms... (or until all flash was erased)\n");
  out.text(line.view());
  not_before_us_ = services_.board.clock.device_us() + minimum_delay_us_;
  state_ = State::erase;
  return Step::again();
}

Step Capture::erase() {
  switch (services_.samples.erase_step()) {
    case SampleStore::EraseStep::failed:
      return give_up("the flash could not be erased");
    case SampleStore::EraseStep::more:
      return Step::again();
    case SampleStore::EraseStep::done:
      break;
  }
  const std::uint64_t now_us = services_.board.clock.device_us();
  if (now_us < not_before_us_) return Step::after(services_.board.clock.wire_delay_us(not_before_us_ - now_us));
  state_ = State::start;
  return Step::again();
}

wire::Result<void> Capture::take_document(std::span<const std::byte> bytes) {
  if (in_header_) {
    if (bytes.size() > header_bytes_.size() - header_size_) return wire::fail(wire::Errc::overflow);
    for (const std::byte byte : bytes) header_bytes_[header_size_++] = std::to_integer<std::uint8_t>(byte);
    return {};
  }
  const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  if (!services_.samples.append({data, bytes.size()})) return wire::fail(wire::Errc::sink_failed);
  return {};
}

Step Capture::start() {
  if (!services_.samples.open()) return give_up("the flash could not be written");
  services_.board.random.fill({reinterpret_cast<std::uint8_t*>(nonce_.data()), nonce_.size()});
  mac_.begin(services_.config.config().hmac_key.view());
  const wire::ByteSink sink(this, [](void* self, std::span<const std::byte> bytes) {
    return static_cast<Capture*>(self)->take_document(bytes);
  });
  writer_.emplace(mac_, sink, scratch_);
  in_header_ = true;
  header_size_ = 0;
  const bool audio = sensor_->info().form == hal::SampleForm::i16_audio;
  const wire::AcquisitionHeader document = header();
  auto begun = audio ? writer_->begin_bulk_i16(document) : writer_->begin(document);
  if (begun) begun = writer_->flush();
  in_header_ = false;
  const std::size_t signature = writer_->signature_offset();
  if (!begun || signature + wire::kSignatureSize > header_size_)
    return give_up("the sample's header could not be made");
  // Left erased on flash: NOR cannot turn the zeros that are signed into the signature.
  std::fill_n(header_bytes_.begin() + static_cast<std::ptrdiff_t>(signature), wire::kSignatureSize, std::uint8_t{0xFF});
  if (!services_.samples.append(std::span<const std::uint8_t>(header_bytes_).first(header_size_)))
    return give_up("the flash could not be written");
  if (!sensor_->start(interval_ms_))
    return give_up("Failed to start sampling: the sensor does not answer or cannot do this rate");
  running_ = true;
  services_.out.text("Sampling...\n");
  last_reading_us_ = services_.board.clock.device_us();
  state_ = State::collect;
  return Step::again();
}

std::size_t Capture::take_readings(bool& failed) {
  const std::uint64_t missing = readings_ - taken_;
  const hal::SensorInfo& info = sensor_->info();
  if (info.form == hal::SampleForm::i16_audio) {
    const auto part = std::span(audio_).first(static_cast<std::size_t>(std::min<std::uint64_t>(kAudioChunk, missing)));
    const std::size_t count = sensor_->read_audio(part);
    if (count > 0) failed = !writer_->readings(std::span<const std::int16_t>(part).first(count)).has_value();
    return count;
  }
  const std::size_t axes = info.axes.size();
  const auto rows = static_cast<std::size_t>(std::min<std::uint64_t>(kRowsChunk / axes, missing));
  const std::size_t count = sensor_->read_rows(std::span(rows_).first(rows * axes));
  if (count > 0) failed = !writer_->readings(std::span<const float>(rows_).first(count * axes)).has_value();
  return count;
}

Step Capture::collect() {
  bool failed = false;
  const std::size_t count = take_readings(failed);
  if (failed) return give_up("the flash could not be written");
  if (sensor_->lost() > 0) {
    Line line;
    line.put("the flash was too slow: ").number(sensor_->lost()).put(" readings lost, the sample was dropped");
    return give_up(line.view());
  }
  taken_ += count;
  const hal::Clock& clock = services_.board.clock;
  const std::uint64_t now_us = clock.device_us();
  if (taken_ == readings_) {
    sensor_->stop();
    running_ = false;
    state_ = State::sign;
    return Step::again();
  }
  if (count > 0) {
    last_reading_us_ = now_us;
    return Step::again();
  }
  const auto patience_us = std::max(kSilenceUs, static_cast<std::uint64_t>(interval_ms_ * 10'000.0));
  if (now_us - last_reading_us_ > patience_us)
    return give_up("the sensor stopped giving readings, the sample was dropped");
  const std::uint64_t ready_us = sensor_->ready_us();
  // A sensor that is late says so with a time in the past: look again soon, but do not spin.
  const std::uint64_t next_us = ready_us > now_us ? ready_us : now_us + kLateUs;
  const std::uint64_t until_us = std::min(next_us, last_reading_us_ + patience_us + 1);
  return Step::after(clock.wire_delay_us(until_us - now_us));
}

Step Capture::sign() {
  const auto signature = writer_->finish();
  if (!signature) return give_up("the flash could not be written");
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(signature->data());
  const auto offset = static_cast<std::uint32_t>(writer_->signature_offset());
  if (!services_.samples.patch(offset, {bytes, signature->size()}))
    return give_up("the signature could not be written");
  state_ = State::commit;
  return Step::again();
}

Step Capture::commit() {
  Output& out = services_.out;
  if (out.room() < 2 * Line::kMax) return Step::when_sent();
  const std::uint32_t size_bytes = services_.samples.written_bytes();
  if (!services_.samples.commit()) return give_up("the file could not be committed");
  succeeded_ = true;
  Line line;
  line.put("Done sampling, total bytes collected: ").number(size_bytes).put('\n');
  line.put("[1/1] Uploading file to Edge Impulse...\n");
  line.put("Not uploading file, not connected to WiFi. Used buffer, from=0, to=").number(size_bytes).put(".\n");
  line.put("[1/1] Uploading file to Edge Impulse OK (took 0 ms.)\nOK\n");
  out.text(line.view());
  return Step::finished();
}

Step Capture::give_up(std::string_view reason) {
  if (running_) sensor_->stop();
  running_ = false;
  services_.samples.abandon();
  services_.out.text("ERR: ");
  services_.out.text(reason);
  services_.out.text("\n");
  return Step::finished();
}

std::string_view CaptureCycle::begin() {
  const Config& config = services_.config.config();
  if (config.cycle_sensor.empty() || config.cycle_interval_ms == 0) {
    return "no cycle is set, use AT+INGESTIONCYCLESETTINGS=SENSOR_LABEL,TOTAL_INGESTION_TIME_MS,INTERVAL_TIME_MS first";
  }
  if (config.length_ms > config.cycle_interval_ms)
    return "the sample length (AT+SAMPLESETTINGS) is longer than the cycle's interval";
  sensor_ = services_.find_sensor(config.cycle_sensor.view());
  if (sensor_ == nullptr) return "Failed to find the cycle's sensor in the sensor list";
  round_ = 0;
  rounds_ = std::max<std::uint32_t>(1, config.cycle_length_ms / config.cycle_interval_ms);
  next_start_us_ = services_.board.clock.device_us() + Capture::kMinimumDelayUs;
  stopping_ = false;
  capturing_ = false;
  return {};
}

void CaptureCycle::stop() {
  stopping_ = true;
  if (capturing_) capture_.stop();
}

bool CaptureCycle::next_round() {
  ++round_;
  Line line;
  line.put("Cycle ").number(round_).put(" of ").number(rounds_).put('\n');
  services_.out.text(line.view());
  const std::string_view refused = capture_.begin(*sensor_, 0);
  if (refused.empty()) return true;
  services_.out.text("ERR: ");
  services_.out.text(refused);
  services_.out.text("\n");
  return false;
}

Step CaptureCycle::step() {
  if (capturing_) {
    const Step step = capture_.step();
    if (!step.done) return step;
    capturing_ = false;
    if (!capture_.succeeded()) return Step::finished();
    if (round_ == rounds_) {
      services_.out.text("Cycle finished\nOK\n");
      return Step::finished();
    }
    return Step::again();
  }
  if (stopping_) {
    services_.out.text("ERR: sampling stopped\n");
    return Step::finished();
  }
  if (services_.out.room() < 2 * Line::kMax) return Step::when_sent();
  const hal::Clock& clock = services_.board.clock;
  const std::uint64_t now_us = clock.device_us();
  if (now_us < next_start_us_) return Step::after(clock.wire_delay_us(next_start_us_ - now_us));
  next_start_us_ += std::uint64_t{services_.config.config().cycle_interval_ms} * 1000;
  if (!next_round()) return Step::finished();
  capturing_ = true;
  return Step::again();
}

}  // namespace tml::fw::app
