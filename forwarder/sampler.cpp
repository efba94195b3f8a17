// SPDX-License-Identifier: Apache-2.0
#include "forwarder/sampler.hpp"

#include <algorithm>
#include <cstdio>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"

namespace tml::forwarder {
namespace {

using Kind = stream::StreamEvent::Kind;
constexpr Millis kStartTick{100};
constexpr stream::Time kShowEvery = std::chrono::milliseconds(100);

std::string hertz(double rate) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.6g", rate);
  return text.data();
}

}  // namespace

Sampler::Sampler(tool::Context& context, std::shared_ptr<Station> station, Collector& collector,
                 SamplerSettings settings)
    : context_(context),
      station_(std::move(station)),
      collector_(collector),
      settings_(std::move(settings)),
      news_(context.io.get_executor()),
      watched_(context.io.get_executor()),
      pause_(context.io.get_executor()) {
  station_->subscribe(*this);
}

Sampler::~Sampler() { station_->unsubscribe(*this); }

bool Sampler::complete() const {
  return settings_.way != Way::continuous && settings_.repeat != 0 && counters_.windows >= settings_.repeat;
}

bool Sampler::room() const { return backlog_.size() < settings_.max_backlog && !collector_.full(); }

Result<void> Sampler::make_cutter(const StreamFacts& facts) {
  const auto readings = [&facts](std::uint64_t ms) {
    return ms == 0 ? 0 : stream::readings_in(static_cast<double>(ms), facts.rate_hz);
  };
  stream::CutSettings cut;
  cut.length = readings(settings_.length_ms);
  // fetch() empties it after each reading; with much overlap one reading behind a gap ends many.
  cut.max_ready = 1024;
  cut.rest = readings(settings_.rest_ms);
  if (settings_.repeat != 0) cut.repeat = settings_.repeat - std::min(settings_.repeat, counters_.windows);
  if (settings_.repeat == 0) cut.repeat = 0;
  switch (settings_.way) {
    case Way::continuous:
      cut.mode = stream::CutSettings::Mode::continuous;
      cut.overlap = std::min(readings(settings_.overlap_ms), cut.length - 1);
      break;
    case Way::triggered: {
      cut.mode = stream::CutSettings::Mode::triggered;
      cut.before_trigger = std::min(readings(settings_.before_ms), cut.length - 1);
      auto trigger = stream::Trigger::compile(settings_.trigger, facts.axes);
      if (!trigger) {
        Error error = trigger.error();
        error.where = "--trigger, " + error.where;
        return pass(std::move(error));
      }
      cut.trigger = *std::move(trigger);
      break;
    }
    case Way::labelled:
    case Way::requested:
      cut.mode = stream::CutSettings::Mode::repeated;
      break;
  }
  auto cutter = stream::WindowCutter::create(std::move(cut));
  if (!cutter) return pass(cutter.error());
  cutter_ = *std::move(cutter);
  cutter_dropped_ = 0;
  return {};
}

void Sampler::on_ready(const StreamFacts& facts) {
  if (stopping_ || ended_ || complete()) return;
  begun_ = true;
  if (cutter_) break_off("axes or rate changed");
  facts_ = facts;
  if (auto made = make_cutter(facts); !made) fail_with(made.error());
}

void Sampler::on_stream(const stream::StreamEvent& event) {
  switch (event.kind) {
    case Kind::reading:
      return take_reading(event.reading);
    case Kind::reboot:
      return break_off("the board restarted");
    case Kind::rate_change:
      return break_off("the rate changed");
    case Kind::axes:
      if (facts_ && event.axes != facts_->axes.size()) break_off("the number of axes changed");
      return;
    default:
      return;
  }
}

void Sampler::take_reading(const stream::Reading& reading) {
  if (stopping_ || ended_ || failure_ || !begun_ || complete()) return;
  // Axes or rate are being learnt anew.
  if (!station_->ready() || !facts_) {
    ++counters_.not_captured;
    return;
  }
  if (!room()) set_blocked(true);
  if (blocked_) {
    ++counters_.not_captured;
    return;
  }
  if (!cutter_) {
    if (auto made = make_cutter(*facts_); !made) return fail_with(made.error());
  }
  cutter_->push(reading);
  fetch();
}

void Sampler::set_blocked(bool blocked) {
  // With several inputs it may be another sampler's sample that waits for room: store_all() watches for its end.
  if (blocked && !held_back_) news_.set();
  held_back_ = blocked;
  // An input that can wait loses nothing: what is at hand is still cut, then it pauses.
  if (station_->hold(blocked)) return;
  if (std::exchange(blocked_, blocked) == blocked) return;
  if (blocked && cutter_) {
    const double share = cutter_->progress();
    if (share > 0)
      counters_.not_captured += static_cast<std::uint64_t>(
          share * static_cast<double>(stream::readings_in(static_cast<double>(settings_.length_ms), facts_->rate_hz)));
    empty_before_ += cutter_->empty();
    cutter_.reset();
  }
  context_.reporter.event(blocked ? "blocked" : "unblocked", Json{{"input", station_->name()},
                                                                  {"device", station_->status().device},
                                                                  {"waiting", backlog_.size()},
                                                                  {"not_captured", counters_.not_captured}});
  if (blocked) {
    log_warning(station_->name() + ": no new sample begins until there is room in the spool");
  } else {
    log_info(station_->name() + ": there is room again; " + std::to_string(counters_.not_captured) +
             " readings were not captured");
  }
}

void Sampler::fetch() {
  while (auto window = cutter_->take()) {
    if (const auto now = station_->facts()) facts_->rate_hz = now->rate_hz;
    Cut cut;
    cut.account = station_->account(*window, settings_.on_gap);
    cut.window = *std::move(window);
    cut.device = facts_->device;
    cut.axes = facts_->axes;
    cut.rate_hz = facts_->rate_hz;
    cut.label = settings_.label;
    cut.category = settings_.category;
    if (settings_.hmac_key) cut.hmac_key = settings_.hmac_key(cut.device);
    backlog_.push_back(std::move(cut));
    ++counters_.windows;
    news_.set();
  }
  const std::uint64_t dropped = cutter_->dropped() - std::exchange(cutter_dropped_, cutter_->dropped());
  counters_.dropped += dropped;
  if (dropped != 0) station_->edit_status().windows_dropped += dropped;
}

void Sampler::break_off(const char* why) {
  if (!cutter_) return;
  const double share = cutter_->progress();
  // What stands for itself is kept, marked as cut short; a sample of a stated length is not.
  if (settings_.way != Way::labelled && !stopping_) {
    cutter_->finish();
    fetch();
  } else if (share > 0 && !complete()) {
    ++counters_.abandoned;
    context_.reporter.event("abandoned", Json{{"input", station_->name()},
                                              {"device", station_->status().device},
                                              {"label", settings_.label},
                                              {"share", share},
                                              {"reason", why}});
    log_warning(station_->name() + ": a sample was abandoned at " + std::to_string(static_cast<int>(share * 100)) +
                " %: " + why);
  }
  empty_before_ += cutter_->empty();
  cutter_.reset();
  show_progress(true);
}

void Sampler::on_batch() {
  if (cutter_) show_progress(false);
}

void Sampler::show_progress(bool now) {
  const stream::Time time = context_.clock.steady();
  if (!now && time - shown_ < kShowEvery) return;
  shown_ = time;
  StationStatus& status = station_->edit_status();
  status.progress.reset();
  if (cutter_ && cutter_->progress() > 0) status.progress = cutter_->progress();
  if (status.state == StationState::streaming || status.state == StationState::sampling)
    status.state = status.progress ? StationState::sampling : StationState::streaming;
  if (!settings_.show_progress) return;
  if (!status.progress) return context_.reporter.progress_done();
  constexpr std::uint64_t kWhole = 1000;
  context_.reporter.progress(settings_.label, static_cast<std::uint64_t>(*status.progress * kWhole), kWhole);
}

void Sampler::on_lost(const std::optional<Error>& error) {
  break_off(error ? "the stream was interrupted" : "the input ended");
  if (!error) end();
}

void Sampler::on_failed(const Error& error) { fail_with(error); }

void Sampler::fail_with(Error error) {
  if (!failure_) failure_ = std::move(error);
  ended_ = true;
  news_.set();
  pause_.wake();
}

void Sampler::end() {
  break_off("the input ended");
  ended_ = true;
  news_.set();
  pause_.wake();
}

void Sampler::stop() {
  stopping_ = true;
  break_off("interrupted");
  news_.set();
  pause_.wake();
}

void Sampler::settle(const Result<Stored>& stored, const std::string& device) {
  StationStatus& status = station_->edit_status();
  if (stored) {
    ++counters_.stored;
    ++status.samples;
    status.last_sample = stored->file_name;
    if (settings_.show_progress) context_.reporter.progress_done();
    std::string text = "Stored " + stored->file_name + ": " + std::to_string(stored->readings) + " readings";
    if (stored->missing != 0) text += ", " + std::to_string(stored->missing) + " missing";
    text += ", " + hertz(stored->rate_hz) + " Hz";
    if (stored->cut_short) text += ", cut short";
    context_.reporter.event("stored", stored_json(station_->name(), device, settings_.label, *stored),
                            text + " (" + stored->envelope + ")");
    return;
  }
  const Error& error = stored.error();
  ++status.samples_refused;
  const bool rejected = error.code == Errc::refused;
  const bool dropped = error.code == Errc::limit || error.code == Errc::interrupted;
  ++(rejected ? counters_.rejected : dropped ? counters_.dropped : counters_.failed);
  context_.reporter.event(rejected  ? "rejected"
                          : dropped ? "dropped"
                                    : "failed",
                          Json{{"input", station_->name()},
                               {"device", device},
                               {"label", settings_.label},
                               {"samples", 1},
                               {"code", std::string(errc_name(error.code))},
                               {"error", error.message()}});
  log_warning(station_->name() + ": a sample was not stored: " + error.message());
  if (!rejected && !dropped && !failure_) failure_ = error;
}

Awaitable<void> Sampler::store_all() {
  while (true) {
    while (!backlog_.empty()) {
      Cut cut = std::move(backlog_.front());
      backlog_.pop_front();
      const std::string device = cut.device;
      auto stored = co_await collector_.store(std::move(cut), true);
      settle(stored, device);
      if (backlog_.size() <= settings_.max_backlog / 2 && !collector_.full()) set_blocked(false);
    }
    if (ended_ || stopping_ || complete()) co_return;
    if (held_back_) {
      co_await collector_.room();
      if (backlog_.size() <= settings_.max_backlog / 2 && !collector_.full()) set_blocked(false);
      continue;
    }
    news_.clear();
    co_await news_.wait();
  }
}

Awaitable<void> Sampler::watch_start() {
  const stream::Time began = context_.clock.steady();
  while (!begun_ && !ended_ && !stopping_) {
    co_await pause_.wait_for(kStartTick);
    if (begun_ || ended_ || stopping_) break;
    if (context_.clock.steady() - began < settings_.start_patience) continue;
    Error why = station_->why_not_ready();
    if (why.code == Errc::usage && settings_.wait_for_names) continue;
    fail_with(std::move(why));
  }
  watched_.set();
}

Result<void> Sampler::verdict() {
  if (failure_) return pass(*failure_);
  if (stopping_ || complete() || settings_.repeat == 0 || settings_.way != Way::labelled) {
    if (!begun_ && !stopping_) return pass(station_->why_not_ready());
    return {};
  }
  if (!begun_) return pass(station_->why_not_ready());
  return fail(counters_.windows == 0 ? Errc::failed : Errc::partial,
              "the input ended after " + std::to_string(counters_.windows) + " of " + std::to_string(settings_.repeat) +
                  " samples",
              station_->name());
}

Awaitable<Result<void>> Sampler::run() {
  if (const auto facts = station_->facts()) on_ready(*facts);
  spawn_logged(context_.io.get_executor(), watch_start(), "start");
  co_await store_all();
  if (stopping_ || complete()) pause_.wake();
  begun_ = begun_ || complete();
  const bool over = ended_;
  ended_ = true;
  pause_.wake();
  co_await watched_.wait();
  ended_ = over;
  co_return verdict();
}

}  // namespace tml::forwarder
