// SPDX-License-Identifier: Apache-2.0
#include "forwarder/station.hpp"

#include <algorithm>
#include <array>

#include "common/base/log.hpp"
#include "common/base/spawn.hpp"

namespace tml::forwarder {
namespace {

constexpr Millis kFinderTick{25};
/// Session information comes every 5 s (sensor stream section 2): until then frames may still get names.
constexpr double kSessionEvery_s = 6;

}  // namespace

void add_account(stream::Account& sum, const stream::Account& part) {
  sum.expected += part.expected;
  sum.received += part.received;
  sum.missing += part.missing;
  sum.unresolved += part.unresolved;
  sum.unresolved_bound += part.unresolved_bound;
  sum.board_drops += part.board_drops;
  sum.bad_lines += part.bad_lines;
  sum.stalls += part.stalls;
  sum.longest_stall_s = std::max(sum.longest_stall_s, part.longest_stall_s);
  sum.rate_changes += part.rate_changes;
  sum.reboots += part.reboots;
  sum.rate_hz = part.rate_hz;
  sum.rate_error = part.rate_error;
  sum.jitter_s = part.jitter_s;
  sum.drift_ppm = part.drift_ppm;
}

Station::Station(boost::asio::any_io_executor executor, Clock& clock, std::unique_ptr<Source> source,
                 StationSettings settings)
    : executor_(std::move(executor)),
      clock_(clock),
      source_(std::move(source)),
      settings_(std::move(settings)),
      pause_(executor_),
      baud_(settings_.baud) {
  status_.name = settings_.name;
}

Station::~Station() = default;

// Observers may leave while they are told something, so a slot is emptied first and goes when nobody is being told.
template <class Call>
void Station::tell(Call call) {
  ++telling_;
  for (std::size_t i = 0; i < observers_.size(); ++i) {
    if (observers_[i] != nullptr) call(*observers_[i]);
  }
  if (--telling_ == 0) std::erase(observers_, nullptr);
}

void Station::subscribe(StationObserver& observer) { observers_.push_back(&observer); }

void Station::unsubscribe(StationObserver& observer) {
  for (StationObserver*& slot : observers_) {
    if (slot == &observer) slot = nullptr;
  }
  if (telling_ == 0) std::erase(observers_, nullptr);
}

Awaitable<Result<void>> Station::run() {
  const auto self = shared_from_this();
  while (!stopping_ && !failure_) {
    auto ended = co_await source_->run(*this);
    std::optional<Error> error;
    if (!ended) error = ended.error();
    const bool was_open = open_;
    if (was_open) end_stretch(error);
    if (stopping_ || failure_) break;
    if (ended || !source_->comes_back()) {
      status_.state = StationState::ended;
      if (!was_open && error) {
        const Error reason = *error;
        tell([&reason](StationObserver& observer) { observer.on_unavailable(reason); });
      }
      co_return ended;
    }
    if (!was_open) {
      const bool news = !open_error_ || open_error_->message() != error->message();
      open_error_ = error;
      const Error reason = *error;
      if (news) tell([&reason](StationObserver& observer) { observer.on_unavailable(reason); });
      if (stopping_) break;
    }
    co_await pause_.wait_for(settings_.reopen_every);
  }
  status_.state = StationState::ended;
  if (failure_) co_return pass(*failure_);
  co_return Result<void>{};
}

void Station::stop() {
  stopping_ = true;
  pause_.wake();
  source_->stop();
}

void Station::fail_with(Error error) {
  if (failure_ || stopping_) return;
  failure_ = std::move(error);
  const Error reason = *failure_;
  tell([&reason](StationObserver& observer) { observer.on_failed(reason); });
  source_->stop();
}

void Station::on_open(const SourceFacts& facts) {
  source_facts_ = facts;
  open_error_.reset();
  open_ = true;
  Result<std::string> device = facts.identity.path;
  if (settings_.identify) device = settings_.identify(facts);
  if (!device) {
    // Released at the end of the stretch: what this station had before may be another's by now.
    device_.clear();
    return fail_with(device.error());
  }
  device_ = *device;
  status_.device = device_;
  begin_stretch();
  tell([](StationObserver& observer) { observer.on_opened(); });
}

void Station::begin_stretch() {
  ++generation_;
  stretch_bytes_ = 0;
  garbage_ = false;
  last_arrival_ = stream::Time{0};
  if (settings_.baud == 0 && source_facts_.has_baud && !finder_) {
    std::uint32_t hint = baud_;
    if (hint == 0 && settings_.baud_hint) hint = settings_.baud_hint(device_);
    finder_.emplace(hint);
    status_.state = StationState::detecting;
    spawn_logged(executor_, find_baud(shared_from_this(), generation_), "baud rate of " + settings_.name);
    return;
  }
  begin_reading();
}

void Station::begin_reading() {
  pipeline_.emplace(stream::PipelineSettings{stream::StreamKind::unknown, !source_facts_.from_start});
  axes_ = 0;
  ready_ = false;
  unnamed_told_ = false;
  status_.state = StationState::detecting;
  status_.kind = stream::StreamKind::unknown;
  status_.trace.clear(0);
}

void Station::end_stretch(const std::optional<Error>& error) {
  ++generation_;
  if (pipeline_) {
    pipeline_->finish([this](const stream::StreamEvent& event) { on_event(event); });
    tell([](StationObserver& observer) { observer.on_batch(); });
    add_account(before_, pipeline_->total());
  }
  finder_.reset();
  open_ = false;
  tell([&error](StationObserver& observer) { observer.on_lost(error); });
  pipeline_.reset();
  ready_ = false;
  status_.state = StationState::waiting;
  status_.rate_settled = false;
  if (on_raw && error && error->code != Errc::interrupted) on_raw(nullptr);
  if (settings_.release) settings_.release(device_);
}

void Station::on_break() {
  if (!open_) return;
  end_stretch(Error{Errc::unplugged, "the recording was interrupted here", settings_.name, {}, {}});
  open_ = true;
  begin_stretch();
  tell([](StationObserver& observer) { observer.on_opened(); });
}

Awaitable<void> Station::find_baud(std::shared_ptr<Station> self, std::uint64_t generation) {
  Pause tick(self->executor_);
  bool set = false;
  unsigned told = 0;
  while (self->generation_ == generation && self->finder_) {
    if (!set) {
      const std::uint32_t rate = self->finder_->rate();
      auto changed = co_await self->source_->set_baud(rate);
      if (self->generation_ != generation || !self->finder_) co_return;
      if (!changed) {
        // A rate that the driver does not know is passed over; one that cannot be set at all ends the search.
        if (changed.error().code == Errc::unsupported) {
          self->finder_.reset();
          self->begin_reading();
          co_return;
        }
        log_debug(changed.error().message());
      }
      self->finder_->begin(self->clock_.steady());
      set = true;
    }
    co_await tick.wait_for(kFinderTick);
    if (self->generation_ != generation || !self->finder_) co_return;
    const BaudFinder::Step step = self->finder_->step(self->clock_.steady());
    if (step == BaudFinder::Step::listen) continue;
    set = false;
    if (self->finder_->rounds() > told) {
      told = self->finder_->rounds();
      if (step != BaudFinder::Step::found) self->garbage_ = self->finder_->heard_anything();
    }
    if (step == BaudFinder::Step::next) continue;
    const std::uint32_t rate = self->finder_->result();
    auto changed = co_await self->source_->set_baud(rate);
    if (self->generation_ != generation || !self->finder_) co_return;
    if (!changed) log_warning(changed.error().message());
    self->baud_ = rate;
    self->finder_.reset();
    self->begin_reading();
    self->tell([rate](StationObserver& observer) { observer.on_baud(rate); });
    co_return;
  }
}

void Station::on_batch(const Batch& batch) {
  if (!open_ || stopping_ || failure_) return;
  status_.bytes += batch.bytes.size();
  stretch_bytes_ += batch.bytes.size();
  if (finder_) {
    batch.each([this](std::span<const std::byte> bytes, stream::Time arrival) { finder_->push(bytes, arrival); });
    return;
  }
  if (batch.lost_bytes != 0)
    log_warning(settings_.name + ": " + std::to_string(batch.lost_bytes) +
                " bytes were lost, this process stood still");
  if (on_raw) {
    on_raw(&batch);
    if (batch.lost_bytes != 0) on_raw(nullptr);
  }
  feed(batch);
}

void Station::feed(const Batch& batch) {
  const std::uint64_t generation = generation_;
  batch.each([this, generation](std::span<const std::byte> bytes, stream::Time arrival) {
    if (generation_ != generation || failure_) return;
    if (last_arrival_ == stream::Time{0}) first_arrival_ = arrival;
    last_arrival_ = arrival;
    pipeline_->push(bytes, arrival, [this](const stream::StreamEvent& event) { on_event(event); });
  });
  if (generation_ != generation || failure_) return;
  if (batch.lost_bytes != 0) {
    // The halves of two lines on both sides of a hole can read as one good line; with a stray byte between they do not.
    constexpr std::array kStray{std::byte{0}};
    pipeline_->push(kStray, last_arrival_, [this](const stream::StreamEvent& event) { on_event(event); });
    if (generation_ != generation || failure_) return;
  }
  refresh_status();
  if (settings_.frequency_hz > 0) {
    auto agrees = pipeline_->clock().check_stated(settings_.frequency_hz);
    if (!agrees) return fail_with(agrees.error());
  }
  tell([](StationObserver& observer) { observer.on_batch(); });
}

void Station::on_event(const stream::StreamEvent& event) {
  using Kind = stream::StreamEvent::Kind;
  switch (event.kind) {
    case Kind::recognised:
      garbage_ = event.stream == stream::StreamKind::garbage;
      status_.kind = event.stream;
      if (!garbage_) status_.state = StationState::learning;
      break;
    case Kind::axes:
      take_axes(event.axes, event.names);
      break;
    case Kind::reading:
      ++status_.readings;
      status_.last = event.reading.values;
      if (status_.trace_wanted) status_.trace.push(event.reading);
      if (!ready_) look_whether_ready();
      break;
    case Kind::gap:
      status_.missing += event.gap.count;
      if (status_.trace_wanted) status_.trace.gap(event.gap.count);
      break;
    case Kind::bad:
      ++status_.bad_lines;
      break;
    case Kind::board_drops:
      status_.board_drops += event.count;
      break;
    case Kind::session:
      if (event.session != nullptr) device_name_ = std::string(event.session->name.view());
      break;
    case Kind::reboot:
      ++status_.reboots;
      if (settings_.frequency_hz <= 0) ready_ = false;
      break;
    case Kind::rate_change:
      if (settings_.frequency_hz <= 0) ready_ = false;
      break;
    case Kind::board_error:
    case Kind::message:
    case Kind::stall:
      break;
  }
  tell([&event](StationObserver& observer) { observer.on_stream(event); });
}

void Station::take_axes(std::size_t count, std::span<const std::string> names) {
  const bool other = count != axes_;
  axes_ = count;
  if (!settings_.axes.empty()) {
    if (count != 0 && settings_.axes.size() != count) {
      return fail_with(Error{
          Errc::usage,
          std::to_string(settings_.axes.size()) + " axis names for readings of " + std::to_string(count) + " numbers",
          "--axes",
          "Name each axis of " + settings_.name + " once, separated by commas.",
          {}});
    }
    names_ = settings_.axes;
  } else if (names.size() == count && count != 0) {
    if (!std::ranges::equal(names_, names)) ready_ = false;
    names_.assign(names.begin(), names.end());
  }
  if (other) {
    ready_ = false;
    unnamed_told_ = false;
  }
  status_.axes = names_.size() == axes_ ? names_ : std::vector<std::string>(axes_);
}

Result<void> Station::name_axes(std::vector<std::string> names) {
  if (names.size() != axes_) {
    return fail(Errc::usage, std::to_string(names.size()) + " axis names for " + std::to_string(axes_) + " axes",
                "--axes", "Name each axis once, separated by commas.");
  }
  names_ = std::move(names);
  status_.axes = names_;
  look_whether_ready();
  return {};
}

bool Station::rate_known() const {
  if (settings_.frequency_hz > 0) return true;
  const auto& estimate = pipeline_->clock().estimate();
  return estimate && estimate->settled;
}

void Station::look_whether_ready() {
  if (failure_ || ready_ || axes_ == 0 || !pipeline_ || !rate_known()) return;
  if (names_.size() != axes_) {
    const bool hopeless = pipeline_->kind() == stream::StreamKind::text ||
                          stream::seconds_between(first_arrival_, last_arrival_) > kSessionEvery_s;
    if (!hopeless || std::exchange(unnamed_told_, true)) return;
    return tell([this](StationObserver& observer) { observer.on_axes_unnamed(axes_); });
  }
  ready_ = true;
  refresh_status();
  const StreamFacts now = *facts();
  tell([&now](StationObserver& observer) { observer.on_ready(now); });
}

void Station::refresh_status() {
  if (!pipeline_) return;
  const auto& estimate = pipeline_->clock().estimate();
  status_.rate_hz = settings_.frequency_hz > 0 ? settings_.frequency_hz : estimate ? estimate->rate_hz : 0;
  status_.rate_error_ppm = settings_.frequency_hz > 0 || !estimate ? 0 : estimate->rate_error * 1e6;
  status_.rate_settled = rate_known();
  if (status_.state == StationState::learning && ready_) status_.state = StationState::streaming;
  if (!ready_ && (status_.state == StationState::streaming || status_.state == StationState::sampling))
    status_.state = StationState::learning;
}

std::optional<StreamFacts> Station::facts() const {
  if (!ready_ || !pipeline_) return std::nullopt;
  StreamFacts facts;
  facts.device = device_;
  facts.device_name = device_name_;
  facts.axes = names_;
  facts.rate_stated = settings_.frequency_hz > 0;
  facts.rate_hz = facts.rate_stated ? settings_.frequency_hz : pipeline_->clock().estimate()->rate_hz;
  return facts;
}

Error Station::why_not_ready() const {
  if (failure_) return *failure_;
  if (open_error_) return *open_error_;
  const std::string& where = settings_.name;
  const std::string rate = source_facts_.has_baud && baud_ != 0 ? " at " + std::to_string(baud_) + " baud" : "";
  if (garbage_ || (open_ && stretch_bytes_ != 0 && pipeline_ && pipeline_->kind() == stream::StreamKind::unknown)) {
    return {Errc::garbage,
            "no readings among " + std::to_string(stretch_bytes_) + " bytes" + rate + " from",
            where,
            settings_.baud == 0 ? "None of the usual line rates fits; give it with --baud-rate."
                                : "The line rate may be wrong: try --baud-rate auto.",
            {}};
  }
  if (!open_ && status_.state == StationState::ended) {
    return {Errc::timeout,
            "the input ended before its axes and rate were known:",
            where,
            "A file, or an input of less than 5 s, needs --frequency.",
            {}};
  }
  if (!open_) return {Errc::unplugged, "the input is not open:", where, "Is the board plugged in?", {}};
  if (stretch_bytes_ == 0) {
    return {Errc::timeout,
            "nothing was received from",
            where,
            "Is the board sending? It is not asked to; a reset may start it.",
            {}};
  }
  if (axes_ == 0 || !pipeline_) {
    return {Errc::timeout,
            "no readings were found in what came" + rate + " from",
            where,
            "A reading is a line of 1 to 20 numbers, or a frame (docs/stream.md).",
            {}};
  }
  if (rate_known() && names_.size() != axes_) {
    return {Errc::usage,
            "nobody has named the " + std::to_string(axes_) + " axes of",
            where,
            "Give --axes with one name each, separated by commas.",
            {}};
  }
  const auto& estimate = pipeline_->clock().estimate();
  return {Errc::timeout,
          "the rate is not settled after " + std::to_string(status_.readings) + " readings" +
              (estimate ? " in " + std::to_string(static_cast<long>(estimate->span_s)) + " s" : "") + " from",
          where,
          "State it with --frequency HZ, or wait longer with --start-timeout.",
          {}};
}

stream::Time Station::now() const { return source_facts_.live ? clock_.steady() : last_arrival_; }

stream::Account Station::account(const stream::Window& window, stream::GapPolicy policy) const {
  if (!pipeline_) return {};
  return pipeline_->account(window, policy);
}

stream::Account Station::total() const {
  stream::Account sum = before_;
  if (pipeline_ && open_) add_account(sum, pipeline_->total());
  return sum;
}

}  // namespace tml::forwarder
