// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Takes samples from a station: one on demand (take), or many by --label, --continuous, --trigger (Sampler). Both cut
// windows as readings come and hand them to the collector; cutting never waits for the disk.
//
// One executor. A Sampler outlives its run(); the station outlives both.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/base/error.hpp"
#include "common/base/sync.hpp"
#include "common/stream/window.hpp"
#include "forwarder/collector.hpp"
#include "forwarder/station.hpp"

namespace tml::forwarder {

/// One sample, from now.
struct SampleOrder {
  std::string label;
  std::uint64_t length_ms = 0;
  sample::Category category = sample::Category::training;
  std::string path;      ///< "/api/training/data"; empty = of the category.
  std::string hmac_key;  ///< Empty = not signed.
  stream::GapPolicy on_gap = stream::GapPolicy::keep;
};

struct TakeProgress {
  enum class Step : std::uint8_t { waiting, sampling, storing };
  Step step = Step::waiting;  ///< waiting: for axes and rate.
  double share = 0;           ///< Of the window, while sampling.
};

/// Waits until the station is ready (`ready_patience` at most), cuts a window whose first reading is taken after the
/// call, makes, signs and commits it. Errors: Station::why_not_ready() with Errc::timeout or garbage; Errc::unplugged
/// when the stream broke meanwhile; Errc::timeout when the board fell silent; Errc::refused for gaps under `reject`;
/// Errc::limit with a full spool; Errc::interrupted when the station stopped. `observer` may be empty; it is called on
/// the executor, at most ten times a second while sampling.
[[nodiscard]] Awaitable<Result<Stored>> take(std::shared_ptr<Station> station, Collector& collector, SampleOrder order,
                                             std::function<void(const TakeProgress&)> observer,
                                             Millis ready_patience = Millis{30'000});

struct SamplerSettings {
  Way way = Way::labelled;
  std::string label;
  std::uint64_t length_ms = 0;
  std::uint64_t repeat = 1;  ///< Labelled and triggered; 0 = until stopped.
  std::uint64_t rest_ms = 0;
  std::uint64_t overlap_ms = 0;
  std::string trigger;
  std::uint64_t before_ms = 0;
  sample::Category category = sample::Category::training;
  stream::GapPolicy on_gap = stream::GapPolicy::keep;
  std::function<std::string(const std::string& device)> hmac_key;  ///< Empty function or key = not signed.
  std::size_t max_backlog = 8;  ///< Windows that wait for the disk before cutting pauses.
  Millis start_patience{30'000};
  bool wait_for_names = false;  ///< Somebody is asked for the axes' names: no time-out meanwhile.
  bool show_progress = true;
};

struct SamplerCounters {
  std::uint64_t windows = 0;  ///< Cut.
  std::uint64_t stored = 0;
  std::uint64_t rejected = 0;   ///< --on-gap reject.
  std::uint64_t dropped = 0;    ///< New samples that found the spool full.
  std::uint64_t failed = 0;     ///< Any other error; the first is in run()'s result.
  std::uint64_t abandoned = 0;  ///< Windows under way that an interruption ended.
  /// Readings that came while no window could hold them: the spool blocked, or axes or rate were learnt anew.
  std::uint64_t not_captured = 0;
};

class Sampler final : private StationObserver {
 public:
  Sampler(tool::Context& context, std::shared_ptr<Station> station, Collector& collector, SamplerSettings settings);
  ~Sampler() override;

  /// Until all windows are stored, the station ends, or stop(). An error: nothing could be taken at all, or the
  /// settings do not fit the stream (a trigger that names an unknown axis).
  [[nodiscard]] Awaitable<Result<void>> run();
  /// The window under way is abandoned; those that were cut are still stored.
  void stop();
  /// The station has ended: nothing more will come.
  void end();
  [[nodiscard]] const SamplerCounters& counters() const { return counters_; }

 private:
  void on_stream(const stream::StreamEvent& event) override;
  void on_batch() override;
  void on_ready(const StreamFacts& facts) override;
  void on_lost(const std::optional<Error>& error) override;
  void on_failed(const Error& error) override;

  [[nodiscard]] Result<void> make_cutter(const StreamFacts& facts);
  void take_reading(const stream::Reading& reading);
  void fetch();
  void break_off(const char* why);
  void fail_with(Error error);
  void show_progress(bool now);
  void set_blocked(bool blocked);
  [[nodiscard]] Awaitable<void> store_all();
  [[nodiscard]] Awaitable<void> watch_start();
  void settle(const Result<Stored>& stored, const std::string& device);
  [[nodiscard]] bool complete() const;
  [[nodiscard]] bool room() const;
  [[nodiscard]] Result<void> verdict();

  tool::Context& context_;
  std::shared_ptr<Station> station_;
  Collector& collector_;
  SamplerSettings settings_;
  SamplerCounters counters_;
  std::optional<StreamFacts> facts_;
  std::optional<stream::WindowCutter> cutter_;
  std::deque<Cut> backlog_;
  Event news_;
  Event watched_;
  Pause pause_;
  std::optional<Error> failure_;
  stream::Time shown_{0};
  std::uint64_t empty_before_ = 0;    // Empty windows of cutters that are gone.
  std::uint64_t cutter_dropped_ = 0;  // Of cutter_'s dropped(), what is counted already.
  bool blocked_ = false;              // Readings are thrown away, ...
  bool held_back_ = false;            // ... or the input is asked to wait.
  bool begun_ = false;                // It was ready once.
  bool ended_ = false;
  bool stopping_ = false;
};

}  // namespace tml::forwarder
