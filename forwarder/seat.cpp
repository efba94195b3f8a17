// SPDX-License-Identifier: Apache-2.0
#include "forwarder/seat.hpp"

#include <algorithm>
#include <charconv>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"

namespace tml::forwarder {
namespace {

constexpr const char* kBaudFact = "baud";  // In settings.devices.
constexpr double kStartIntervals = 60;     // Of a stated frequency, for the start's time-out.
constexpr Millis kStartPatience{30'000};

}  // namespace

Seat::Seat(Bench& bench, std::string input)
    : bench_(bench), input_(std::move(input)), station_over_(bench.context.io.get_executor()) {}

Seat::~Seat() {
  if (station_) {
    station_->unsubscribe(*this);
    if (naming_) station_->unsubscribe(*naming_);
    if (session_) station_->unsubscribe(*session_);
  }
}

Result<std::unique_ptr<Seat>> Seat::create(Bench& bench, const std::string& input) {
  const Options& options = bench.options;
  auto seat = std::unique_ptr<Seat>(new Seat(bench, input));
  SourceSettings settings;
  settings.input = input;
  settings.replay_file = options.replay_file;
  settings.replay_speed = options.replay_speed;
  settings.baud = options.baud_rate;
  auto source = make_source(bench.world, settings);
  if (!source) return pass(source.error());
  if (!options.record_file.empty()) {
    auto tell = [&bench, input](const Error& error) {
      bench.context.reporter.event(
          "record_failed",
          Json{{"input", input}, {"code", std::string(errc_name(error.code))}, {"error", error.message()}});
      log_error(input + ": " + error.message());
    };
    auto recorder = Recorder::create(options.record_file, bench.context.io.get_executor(), std::move(tell));
    if (!recorder) return pass(recorder.error());
    seat->recorder_ = *std::move(recorder);
  }
  seat->station_ = std::make_shared<Station>(bench.context.io.get_executor(), bench.context.clock, *std::move(source),
                                             seat->station_settings());
  seat->seat_observers();
  return seat;
}

StationSettings Seat::station_settings() {
  const Options& options = bench_.options;
  StationSettings settings;
  settings.name = input_;
  settings.baud = options.baud_rate;
  settings.frequency_hz = options.frequency_hz;
  settings.axes = options.axes;
  settings.identify = [this](const SourceFacts& facts) { return bench_.ids.claim(facts); };
  settings.release = [this](const std::string& device) { bench_.ids.release(device); };
  settings.baud_hint = [this](const std::string& device) -> std::uint32_t {
    const auto entry = bench_.context.settings.devices.find(device);
    if (entry == bench_.context.settings.devices.end()) return 0;
    const auto fact = entry->second.find(kBaudFact);
    std::uint32_t rate = 0;
    if (fact != entry->second.end())
      std::from_chars(fact->second.data(), fact->second.data() + fact->second.size(), rate);
    return rate;
  };
  return settings;
}

SamplerSettings Seat::sampler_settings() const {
  const Options& options = bench_.options;
  SamplerSettings settings;
  settings.way = options.way;
  settings.label = options.label;
  settings.length_ms = options.length_ms;
  settings.repeat = options.way == Way::continuous ? 0 : options.repeat;
  settings.rest_ms = options.rest_ms;
  settings.overlap_ms = options.overlap_ms;
  settings.trigger = options.trigger;
  settings.before_ms = options.before_ms;
  settings.category = options.category;
  settings.on_gap = options.on_gap;
  settings.hmac_key = [context = &bench_.context](const std::string& device) {
    return context->project_of(device).hmac_key;
  };
  settings.start_patience = kStartPatience;
  if (options.start_timeout_s != 0) {
    settings.start_patience = Millis{std::int64_t{options.start_timeout_s} * 1000};
  } else if (options.frequency_hz > 0) {
    const auto intervals = Millis{static_cast<std::int64_t>(kStartIntervals * 1000 / options.frequency_hz)};
    settings.start_patience = std::max(kStartPatience, intervals);
  }
  settings.wait_for_names = bench_.asker.interactive();
  settings.show_progress = !bench_.several && !options.plot;
  return settings;
}

void Seat::seat_observers() {
  station_->edit_status().trace_wanted = bench_.options.plot;
  // First: a device is tied to its project before anyone works with it.
  station_->subscribe(*this);
  teller_ = std::make_unique<Teller>(*station_, bench_.context.clock, bench_.context.reporter);
  if (recorder_) record();
  const auto hopeless = [this](const Error& error) { fail_with(error); };
  NamingPort naming;
  if (bench_.asker.interactive()) {
    naming.ask = [asker = &bench_.asker](std::string question, std::string flag) {
      return asker->ask(std::move(question), std::move(flag));
    };
  }
  naming.anew = bench_.options.clean;
  naming.settings = [context = &bench_.context]() -> Settings& { return context->settings; };
  naming.remember = [context = &bench_.context](const std::string& device, const std::string& name,
                                                const std::string& value) {
    return context->remember_fact(device, name, value);
  };
  naming.on_hopeless = hopeless;
  naming_ = std::make_shared<AxisNaming>(station_, std::move(naming), bench_.several);
  station_->subscribe(*naming_);
  if (bench_.options.way != Way::requested) {
    sampler_ = std::make_unique<Sampler>(bench_.context, station_, bench_.collector, sampler_settings());
    return;
  }
  SessionPort port = session_port(bench_.context, station_, bench_.collector, bench_.deliveries, hopeless);
  if (bench_.asker.interactive()) {
    port.ask_name = [asker = &bench_.asker](std::string device) {
      return asker->ask("What name do you want to give this device (" + device + ")?", "--no-input");
    };
  }
  SessionSettings settings;
  settings.input = input_;
  settings.mgmt_url = bench_.context.endpoints.remote_mgmt;
  settings.on_gap = bench_.options.on_gap;
  session_ =
      std::make_shared<RemoteSession>(bench_.context.io.get_executor(), bench_.context.clock, bench_.context.random,
                                      bench_.context.reporter, std::move(port), std::move(settings));
  station_->subscribe(*session_);
}

void Seat::record() {
  station_->on_raw = [this](const Batch* batch) {
    if (batch == nullptr) return recorder_->interruption();
    if (!recorder_->begun()) {
      const Json information = {{"input", input_},
                                {"device", station_->status().device},
                                {"baud", station_->baud()},
                                {"started_ms", bench_.context.clock.unix_ms()}};
      recorder_->begin(json_text(information), batch->pieces.empty() ? stream::Time{0} : batch->pieces.front().arrival);
    }
    recorder_->add(*batch);
  };
}

const SamplerCounters& Seat::counters() const {
  static const SamplerCounters kNone;
  return sampler_ ? sampler_->counters() : kNone;
}

void Seat::on_opened() {
  opened_ = true;
  unavailable_.reset();
  auto adopted = adopt_device(bench_.context, station_->status().device, bench_.project, bench_.options.clean);
  if (!adopted) log_warning("the device's project is not kept: " + adopted.error().message());
}

void Seat::on_unavailable(const Error& error) {
  unavailable_ = error;
  if (!opened_ && bench_.on_unavailable) bench_.on_unavailable();
}

void Seat::on_baud(std::uint32_t bits_per_second) {
  auto kept = bench_.context.remember_fact(station_->status().device, kBaudFact, std::to_string(bits_per_second));
  if (!kept) log_warning("the line rate is not kept: " + kept.error().message());
}

void Seat::fail_with(Error error) {
  if (!error_) error_ = std::move(error);
  if (sampler_) sampler_->end();
  station_->stop();
}

void Seat::stop() {
  stopping_ = true;
  if (sampler_) sampler_->stop();
  station_->stop();
}

Awaitable<Result<void>> Seat::run() {
  auto serve = [](Seat& seat) -> Awaitable<void> {
    seat.station_result_ = co_await seat.station_->run();
    if (seat.sampler_) seat.sampler_->end();
    seat.station_over_.set();
  };
  spawn_logged(bench_.context.io.get_executor(), serve(*this), input_);
  Result<void> result;
  if (sampler_) {
    result = co_await sampler_->run();
    station_->stop();
  }
  co_await station_over_.wait();
  co_await naming_->idle();
  if (session_) {
    session_->stop();
    co_await session_->idle();
  }
  if (recorder_) {
    auto closed = co_await recorder_->close();
    if (!closed && !error_) error_ = closed.error();
  }
  if (error_) co_return pass(*error_);
  if (!station_result_ && !stopping_ && !(sampler_ && result)) co_return station_result_;
  co_return result;
}

}  // namespace tml::forwarder
