// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One input of the forwarder from its bytes to placed readings: a source that is opened again when it is lost, the
// right line rate, the pipeline of common/stream, and those who look on. Everything that takes samples (sampler.hpp)
// or shows something observes a station.
//
//   auto station = std::make_shared<Station>(executor, clock, std::move(source), settings);
//   station->subscribe(observer);
//   co_await station->run();
//
// A stretch is what comes between two interruptions (unplugged, reopened): indices of readings mean something within
// one. Held by shared_ptr; everything on its executor, observers included. An observer unsubscribes before it goes;
// it may do so from within a call.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.hpp"
#include "common/base/error.hpp"
#include "common/base/sync.hpp"
#include "common/stream/pipeline.hpp"
#include "forwarder/baud_finder.hpp"
#include "forwarder/source.hpp"
#include "forwarder/status.hpp"

namespace tml::forwarder {

struct StationSettings {
  std::string name;               ///< As the user called the input.
  std::uint32_t baud = 115'200;   ///< 0 = find out.
  double frequency_hz = 0;        ///< Stated; 0 = fitted.
  std::vector<std::string> axes;  ///< Stated names; empty = from the stream, or name_axes().
  Millis reopen_every{500};       ///< Promise 5: back within 2 s.
  /// The device id of what was opened, by the identity rule; called on each opening. Empty function: the source's
  /// path. An error ends the station.
  std::function<Result<std::string>(const SourceFacts&)> identify;
  /// The line rate to try first when finding out; 0 = none.
  std::function<std::uint32_t(const std::string& device)> baud_hint;
  /// The device has gone; its id is free.
  std::function<void(const std::string& device)> release;
};

/// What a sample needs to know of the stream. Complete when the station is ready.
struct StreamFacts {
  std::string device;             ///< Device id.
  std::string device_name;        ///< As a session calls itself; may be empty.
  std::vector<std::string> axes;  ///< One name each.
  double rate_hz = 0;             ///< Stated, else fitted.
  bool rate_stated = false;
};

/// Counts are added; rate, jitter and drift are those of `part`.
void add_account(stream::Account& sum, const stream::Account& part);

class StationObserver {
 public:
  virtual ~StationObserver() = default;
  /// The source is open; the device id is known. A new stretch.
  virtual void on_opened() {}
  /// It cannot be opened, and is tried again; told once per reason.
  virtual void on_unavailable(const Error&) {}
  /// Every event of the pipeline, readings included: no allocation there, please. `ready` may be asked within.
  virtual void on_stream(const stream::StreamEvent&) {}
  /// After the events of some bytes that came together.
  virtual void on_batch() {}
  /// `--baud-rate auto` found the line rate.
  virtual void on_baud(std::uint32_t /*bits_per_second*/) {}
  /// Axes are counted but nobody has named them: name_axes() would make the station ready.
  virtual void on_axes_unnamed(std::size_t /*axes*/) {}
  /// Axes and rate are known, or have changed: StreamFacts as of now.
  virtual void on_ready(const StreamFacts&) {}
  /// The stretch is over: unplugged, connection lost, or (no error) the end of a finite input.
  virtual void on_lost(const std::optional<Error>& /*error*/) {}
  /// Something that no sample can be right with, e.g. a stated frequency that the fit contradicts. The station ends.
  virtual void on_failed(const Error&) {}
};

class Station final : public std::enable_shared_from_this<Station>, private SourceSink {
 public:
  Station(boost::asio::any_io_executor executor, Clock& clock, std::unique_ptr<Source> source,
          StationSettings settings);
  ~Station() override;

  /// Until stop(), the end of a finite input (both success), a source that does not come back, or a contradiction.
  [[nodiscard]] Awaitable<Result<void>> run();
  void stop();

  void subscribe(StationObserver& observer);
  void unsubscribe(StationObserver& observer);

  [[nodiscard]] const StationStatus& status() const { return status_; }
  /// For those who count what is not the station's: samples, progress, remote.
  [[nodiscard]] StationStatus& edit_status() { return status_; }

  [[nodiscard]] bool is_open() const { return open_; }
  [[nodiscard]] bool ready() const { return ready_; }
  /// None before ready(). The rate is as of now.
  [[nodiscard]] std::optional<StreamFacts> facts() const;
  /// Why it is not ready yet, for a time-out: nothing received, garbage, no names, rate not settled.
  [[nodiscard]] Error why_not_ready() const;
  /// Names for unnamed axes. Errc::usage when they do not fit their number.
  [[nodiscard]] Result<void> name_axes(std::vector<std::string> names);

  /// The time line of readings: the clock, or the time of a recording.
  [[nodiscard]] stream::Time now() const;
  /// The account of a window of this stretch.
  [[nodiscard]] stream::Account account(const stream::Window& window, stream::GapPolicy policy) const;
  /// Everything since the start, over all stretches.
  [[nodiscard]] stream::Account total() const;
  /// Asks an input that can wait (a file, a pipe) to stop for a while. False: it cannot.
  bool hold(bool on) { return source_->hold(on); }
  [[nodiscard]] std::uint32_t baud() const { return baud_; }
  [[nodiscard]] const std::string& name() const { return settings_.name; }
  [[nodiscard]] const boost::asio::any_io_executor& executor() const { return executor_; }
  [[nodiscard]] Clock& clock() const { return clock_; }

  /// Called with every batch that goes into the pipeline, and on breaks (null). For --record.
  std::function<void(const Batch*)> on_raw;

 private:
  void on_open(const SourceFacts& facts) override;
  void on_batch(const Batch& batch) override;
  void on_break() override;

  void begin_stretch();
  void begin_reading();
  void end_stretch(const std::optional<Error>& error);
  void feed(const Batch& batch);
  void on_event(const stream::StreamEvent& event);
  void take_axes(std::size_t count, std::span<const std::string> names);
  void look_whether_ready();
  [[nodiscard]] bool rate_known() const;
  void refresh_status();
  void fail_with(Error error);
  [[nodiscard]] static Awaitable<void> find_baud(std::shared_ptr<Station> self, std::uint64_t generation);
  template <class Call>
  void tell(Call call);

  boost::asio::any_io_executor executor_;
  Clock& clock_;
  std::unique_ptr<Source> source_;
  StationSettings settings_;
  StationStatus status_;
  std::vector<StationObserver*> observers_;
  std::optional<stream::Pipeline> pipeline_;
  stream::Account before_;  // Of the stretches that are over.
  SourceFacts source_facts_;
  std::string device_;
  std::string device_name_;
  std::size_t axes_ = 0;
  std::vector<std::string> names_;  // From the stream or name_axes().
  stream::Time first_arrival_{0};
  stream::Time last_arrival_{0};
  std::optional<BaudFinder> finder_;
  std::optional<Error> failure_;
  std::optional<Error> open_error_;
  Pause pause_;
  unsigned telling_ = 0;
  std::uint64_t generation_ = 0;
  std::uint64_t stretch_bytes_ = 0;
  std::uint32_t baud_ = 0;
  bool open_ = false;
  bool ready_ = false;
  bool stopping_ = false;
  bool garbage_ = false;
  bool unnamed_told_ = false;
};

}  // namespace tml::forwarder
