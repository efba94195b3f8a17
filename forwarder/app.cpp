// SPDX-License-Identifier: Apache-2.0
#include "forwarder/app.hpp"

#include <algorithm>
#include <csignal>

#include "common/base/json.hpp"
#include "common/base/log.hpp"
#include "common/base/spawn.hpp"
#include "common/serial/hotplug.hpp"
#include "common/tool/signal_watch.hpp"
#include "forwarder/metrics.hpp"
#include "forwarder/plot.hpp"
#include "forwarder/reader.hpp"
#include "forwarder/remainder.hpp"
#include "forwarder/seat.hpp"
#include "forwarder/totals.hpp"

namespace tml::forwarder {
namespace {

constexpr Millis kCountSpoolEvery{2'000};

class App {
 public:
  App(tool::Context& context, const Options& options, const cli::Prompt& prompt, spool::AsyncSpool& spool);

  [[nodiscard]] Awaitable<ExitCode> run();
  void interrupt(int signal);

 private:
  [[nodiscard]] Awaitable<Result<void>> prepare();
  [[nodiscard]] Result<void> show();
  [[nodiscard]] Result<void> add_seat(const std::string& input);
  [[nodiscard]] Awaitable<void> serve(Seat& seat);
  [[nodiscard]] Awaitable<void> follow_hotplug();
  [[nodiscard]] Awaitable<void> count_spool();
  void maybe_hopeless();
  [[nodiscard]] RunTotals totals() const;
  [[nodiscard]] ExitCode verdict(const RunTotals& totals, const Remainder& left);
  [[nodiscard]] std::vector<const StationStatus*> statuses() const;
  /// Coroutines beside run(), awaited before it returns.
  void spawn_child(Awaitable<void> task, const char* name);

  tool::Context& context_;
  const Options& options_;
  spool::AsyncSpool& spool_;
  const cli::Prompt& prompt_;
  Reader reader_;
  Worker worker_;
  tool::Deliveries deliveries_;
  Collector collector_;
  DeviceIds ids_;
  Asker asker_;
  Bench bench_;
  std::unique_ptr<LiveView> view_;
  std::unique_ptr<MetricsServer> metrics_;
  std::unique_ptr<serial::Hotplug> hotplug_;
  std::vector<std::unique_ptr<Seat>> seats_;
  std::size_t running_ = 0;
  Event seats_over_;
  unsigned children_ = 0;
  Event childless_;
  Flush flush_;
  Pause spool_pause_;
  std::vector<Error> errors_;
  std::optional<Error> fatal_;
  int signal_ = 0;
  bool ending_ = false;
};

App::App(tool::Context& context, const Options& options, const cli::Prompt& prompt, spool::AsyncSpool& spool)
    : context_(context),
      options_(options),
      spool_(spool),
      prompt_(prompt),
      reader_(context.io.get_executor(), context.clock),
      deliveries_(context, spool),
      collector_(context, spool, CollectorSettings{options.cbor, options.spool_limit_bytes, options.when_full},
                 [this] { deliveries_.kick(); }),
      ids_(options.device_id),
      asker_(context.io.get_executor(), prompt),
      bench_{context,
             options,
             SourceWorld{context.io.get_executor(), reader_, context.clock, worker_},
             collector_,
             deliveries_,
             ids_,
             asker_,
             {},
             false,
             [this] { maybe_hopeless(); }},
      seats_over_(context.io.get_executor()),
      childless_(context.io.get_executor()),
      flush_(context, spool, deliveries_, collector_, options.flush_timeout_s),
      spool_pause_(context.io.get_executor()) {
  childless_.set();
}

void App::spawn_child(Awaitable<void> task, const char* name) {
  ++children_;
  childless_.clear();
  auto wrapped = [](App& app, Awaitable<void> inner, const char* label) -> Awaitable<void> {
    try {
      co_await std::move(inner);
    } catch (...) {
      log_error(std::string(label) + ": " + exception_text(std::current_exception()));
    }
    if (--app.children_ == 0) app.childless_.set();
  };
  spawn_logged(context_.io.get_executor(), wrapped(*this, std::move(task), name), name);
}

std::vector<const StationStatus*> App::statuses() const {
  std::vector<const StationStatus*> all;
  for (const auto& seat : seats_) all.push_back(&seat->station().status());
  return all;
}

Result<void> App::add_seat(const std::string& input) {
  auto seat = Seat::create(bench_, input);
  if (!seat) return pass(seat.error());
  seats_.push_back(*std::move(seat));
  ++running_;
  spawn_child(serve(*seats_.back()), "input");
  return {};
}

Awaitable<void> App::serve(Seat& seat) {
  auto result = co_await seat.run();
  if (!result && signal_ == 0) {
    errors_.push_back(result.error());
    // With several inputs the others go on: this one's end is told where it happens.
    if (bench_.several) context_.reporter.error(result.error());
  }
  if (--running_ == 0) seats_over_.set();
}

void App::maybe_hopeless() {
  if (options_.all_ports || ending_) return;
  const bool all = std::ranges::all_of(seats_, [](const auto& seat) { return !seat->opened() && seat->unavailable(); });
  if (!all || seats_.empty()) return;
  fatal_ = seats_.front()->unavailable();
  for (const auto& seat : seats_) seat->stop();
}

Awaitable<void> App::follow_hotplug() {
  while (!ending_) {
    auto event = co_await hotplug_->next();
    if (!event) co_return;
    if (event->kind != serial::HotplugEvent::Kind::arrived || ending_) continue;
    const std::string path = event->path;
    if (std::ranges::any_of(seats_, [&path](const auto& seat) { return seat->input() == path; })) continue;
    seats_over_.clear();
    if (auto added = add_seat(path); !added) log_warning(added.error().message());
  }
}

Awaitable<void> App::count_spool() {
  while (!ending_) {
    auto totals = co_await spool_.totals();
    if (totals) {
      for (const auto& seat : seats_) seat->status().spool_waiting = totals->pending + totals->held;
    }
    co_await spool_pause_.wait_for(kCountSpoolEvery);
  }
}

Result<void> App::show() {
  if (!options_.metrics.empty()) {
    auto address = parse_metrics_address(options_.metrics);
    if (!address) return pass(address.error());
    auto metrics = MetricsServer::start(context_.io.get_executor(), *address, [this] {
      const auto all = statuses();
      return metrics_text(all);
    });
    if (!metrics) return pass(metrics.error());
    metrics_ = *std::move(metrics);
    context_.reporter.event(
        "metrics", Json{{"address", address->address}, {"port", metrics_->port()}},
        "Metrics on http://" + address->address + ":" + std::to_string(metrics_->port()) + "/metrics");
  }
  if (options_.plot) {
    auto view = LiveView::open(
        context_.io.get_executor(), [this] { return statuses(); }, [this] { return asker_.asking(); });
    if (!view) return pass(view.error());
    view_ = *std::move(view);
    spawn_child(view_->run(), "live view");
  }
  if (metrics_ || view_) spawn_child(count_spool(), "spool");
  return {};
}

Awaitable<Result<void>> App::prepare() {
  if (options_.all_ports) {
    // Before the ports are listed: one that comes while the account is looked up must not be missed.
    const serial::HotplugOptions hotplug_options;
    auto hotplug = serial::Hotplug::create(context_.io.get_executor(), hotplug_options);
    if (!hotplug) co_return pass(hotplug.error());
    hotplug_ = *std::move(hotplug);
  }
  auto inputs = choose_inputs(options_, prompt_);
  if (!inputs) co_return pass(inputs.error());
  const bool must = options_.way == Way::requested || !options_.no_deliver;
  auto account = co_await find_account(context_, prompt_, must, options_.clean);
  if (!account) co_return pass(account.error());
  bench_.project = *std::move(account);
  bench_.several = options_.all_ports || inputs->size() > 1;
  if (!options_.no_deliver || options_.way == Way::requested) {
    context_.report_endpoints();
    spawn_child(deliveries_.run(), "delivery");
  }
  if (hotplug_) spawn_child(follow_hotplug(), "hot-plug");
  if (auto shown = show(); !shown) co_return pass(shown.error());
  // All seats before any runs, so that one that cannot open is not taken for all.
  for (const std::string& input : *inputs) {
    if (auto added = add_seat(input); !added) co_return pass(added.error());
  }
  co_return Result<void>{};
}

void App::interrupt(int signal) {
  signal_ = signal;
  flush_.stop();
  if (ending_) return;
  for (const auto& seat : seats_) seat->stop();
  collector_.stop();
  asker_.stop();
  seats_over_.set();
}

RunTotals App::totals() const {
  RunTotals all;
  for (const auto& seat : seats_) all.add(seat->station(), seat->counters());
  all.dropped_oldest = collector_.counters().dropped_oldest;
  return all;
}

ExitCode App::verdict(const RunTotals& totals, const Remainder& left) {
  if (signal_ != 0) return signal_ == SIGTERM && options_.way == Way::requested ? ExitCode::ok : ExitCode::interrupted;
  if (fatal_) return context_.reporter.error(*fatal_);
  if (!errors_.empty()) {
    const bool some = errors_.size() < seats_.size() || (totals.samples != 0 && bench_.several);
    if (!bench_.several) return context_.reporter.error(errors_.front());
    return some ? ExitCode::partly_failed : exit_code_for(errors_.front().code);
  }
  if (const auto error = not_kept(totals)) return context_.reporter.error(*error);
  if (options_.no_deliver) return ExitCode::ok;
  if (const auto error = not_delivered(left)) return context_.reporter.error(*error);
  return ExitCode::ok;
}

Awaitable<ExitCode> App::run() {
  auto prepared = co_await prepare();
  if (!prepared) {
    fatal_ = prepared.error();
  }
  // A signal during the preparation found no seats to stop.
  if (!prepared || signal_ != 0) {
    for (const auto& seat : seats_) seat->stop();
  }
  const bool waits_for_ports = options_.all_ports && seats_.empty() && prepared && signal_ == 0;
  if (running_ != 0 || waits_for_ports) co_await seats_over_.wait();
  // A signal sets it before what was cut is stored.
  while (running_ != 0) {
    seats_over_.clear();
    co_await seats_over_.wait();
  }
  ending_ = true;
  Remainder left;
  if (options_.no_deliver || signal_ != 0) {
    left = co_await flush_.look();
  } else {
    left = co_await flush_.run();
  }
  deliveries_.stop();
  if (view_) view_->stop();
  if (hotplug_) hotplug_->close();
  spool_pause_.wake();
  asker_.stop();
  co_await childless_.wait();
  metrics_.reset();
  const RunTotals all = totals();
  if (prepared) tell_summary(context_.reporter, all, left);
  co_return verdict(all, left);
}

}  // namespace

ExitCode run_app(tool::Context& context, const Options& options) {
  auto spool = context.open_spool();
  if (!spool) return context.reporter.error(spool.error());
  const bool reads_stdin = std::ranges::find(options.inputs, "-") != options.inputs.end();
  const cli::Prompt prompt(!options.no_input && !reads_stdin);
  App app(context, options, prompt, **spool);
  const tool::SignalWatch watch(context.io, [&app](int number) { app.interrupt(number); });
  return run_to_end(context.io, app.run()).value_or(ExitCode::failed);
}

}  // namespace tml::forwarder
