// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "forwarder/sampler.hpp"

namespace tml::forwarder {
namespace {

using Kind = stream::StreamEvent::Kind;
constexpr Millis kTick{100};
/// A board that says nothing for this long, or for so many intervals, has fallen silent. Text readings may come late:
/// they are held until eight more have come (docs/stream.md).
constexpr stream::Time kSilence = std::chrono::seconds(10);
constexpr double kSilentIntervals = 20;

/// One sample under way.
class Take final : public StationObserver {
 public:
  Take(Station& station, const SampleOrder& order)
      : station_(station), order_(order), from_(station.now()), tick_(station.executor()) {
    station_.subscribe(*this);
    if (const auto facts = station_.facts()) on_ready(*facts);
  }
  ~Take() override { station_.unsubscribe(*this); }

  void on_ready(const StreamFacts& facts) override;
  void on_stream(const stream::StreamEvent& event) override;
  void on_lost(const std::optional<Error>& error) override;
  void on_failed(const Error& error) override { end(error); }

  [[nodiscard]] Awaitable<Result<Cut>> run(Millis ready_patience, std::function<void(const TakeProgress&)> observer);

 private:
  void end(Error error) {
    if (!error_ && !window_) error_ = std::move(error);
    tick_.wake();
  }
  [[nodiscard]] bool silent(stream::Time now) const {
    const auto patience = std::max(kSilence, stream::from_seconds(kSilentIntervals / facts_->rate_hz));
    return now - last_ > patience;
  }
  [[nodiscard]] Cut make_cut();

  Station& station_;
  const SampleOrder& order_;
  stream::Time from_;
  Pause tick_;
  std::optional<StreamFacts> facts_;
  std::optional<stream::WindowCutter> cutter_;
  std::optional<stream::Window> window_;
  stream::Account account_;
  std::optional<Error> error_;
  stream::Time last_{0};  // When something last moved, by the clock.
};

void Take::on_ready(const StreamFacts& facts) {
  if (cutter_) return end({Errc::failed, "axes or rate changed during the sample", station_.name(), {}, {}});
  facts_ = facts;
  last_ = station_.clock().steady();
  stream::CutSettings cut;
  cut.length = stream::readings_in(static_cast<double>(order_.length_ms), facts.rate_hz);
  auto cutter = stream::WindowCutter::create(std::move(cut));
  if (!cutter) return end(cutter.error());
  cutter_ = *std::move(cutter);
}

void Take::on_stream(const stream::StreamEvent& event) {
  if (!cutter_ || window_ || error_) return;
  switch (event.kind) {
    case Kind::reading:
      last_ = station_.clock().steady();
      if (event.reading.at < from_) return;
      cutter_->push(event.reading);
      window_ = cutter_->take();
      if (!window_) return;
      account_ = station_.account(*window_, order_.on_gap);
      if (const auto now = station_.facts()) facts_->rate_hz = now->rate_hz;
      return tick_.wake();
    case Kind::reboot:
      return end({Errc::failed, "the board restarted during the sample", station_.name(), {}, {}});
    case Kind::rate_change:
      return end({Errc::failed, "the board changed its rate during the sample", station_.name(), {}, {}});
    case Kind::axes:
      if (event.axes != facts_->axes.size())
        end({Errc::failed, "the number of axes changed during the sample", station_.name(), {}, {}});
      return;
    default:
      return;
  }
}

void Take::on_lost(const std::optional<Error>& error) {
  // Before the first reading of the sample a board may still come back.
  if (!cutter_ && error && error->code != Errc::interrupted) return;
  end(error ? *error : Error{Errc::unplugged, "the input ended", station_.name(), {}, {}});
}

Cut Take::make_cut() {
  Cut cut;
  cut.window = *std::move(window_);
  cut.account = std::move(account_);
  cut.device = facts_->device;
  cut.axes = facts_->axes;
  cut.rate_hz = facts_->rate_hz;
  cut.label = order_.label;
  cut.category = order_.category;
  cut.path = order_.path;
  cut.hmac_key = order_.hmac_key;
  return cut;
}

Awaitable<Result<Cut>> Take::run(Millis ready_patience, std::function<void(const TakeProgress&)> observer) {
  const stream::Time began = station_.clock().steady();
  StationStatus& status = station_.edit_status();
  while (!window_ && !error_) {
    if (observer) {
      TakeProgress progress;
      progress.step = cutter_ ? TakeProgress::Step::sampling : TakeProgress::Step::waiting;
      progress.share = cutter_ ? cutter_->progress() : 0;
      observer(progress);
    }
    if (cutter_) {
      status.progress = cutter_->progress();
      if (status.state == StationState::streaming) status.state = StationState::sampling;
    }
    co_await tick_.wait_for(kTick);
    const stream::Time now = station_.clock().steady();
    // A station that is stopped while its board is away has no stretch whose end it could tell of.
    if (status.state == StationState::ended) end({Errc::interrupted, "the input was closed", station_.name(), {}, {}});
    if (!cutter_ && now - began > ready_patience) end(station_.why_not_ready());
    if (cutter_ && !window_ && silent(now))
      end({Errc::timeout, "the board fell silent during the sample", station_.name(), "Is it still running?", {}});
  }
  status.progress.reset();
  if (status.state == StationState::sampling) status.state = StationState::streaming;
  if (!window_) co_return pass(*error_);
  co_return make_cut();
}

}  // namespace

Awaitable<Result<Stored>> take(std::shared_ptr<Station> station, Collector& collector, SampleOrder order,
                               std::function<void(const TakeProgress&)> observer, Millis ready_patience) {
  Take sample(*station, order);
  auto cut = co_await sample.run(ready_patience, observer);
  StationStatus& status = station->edit_status();
  if (!cut) co_return pass(cut.error());
  if (observer) {
    TakeProgress progress;
    progress.step = TakeProgress::Step::storing;
    progress.share = 1;
    observer(progress);
  }
  auto stored = co_await collector.store(*std::move(cut), false);
  if (stored) {
    ++status.samples;
    status.last_sample = stored->file_name;
  } else {
    ++status.samples_refused;
  }
  co_return stored;
}

}  // namespace tml::forwarder
