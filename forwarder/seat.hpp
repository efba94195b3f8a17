// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One input with everything that belongs to it: station, who tells of it, who names its axes, who takes its samples.
// Private to the application (app.cpp).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/tool/deliveries.hpp"
#include "forwarder/asker.hpp"
#include "forwarder/inputs.hpp"
#include "forwarder/recorder.hpp"
#include "forwarder/remote_session.hpp"
#include "forwarder/sampler.hpp"
#include "forwarder/setup.hpp"
#include "forwarder/teller.hpp"

namespace tml::forwarder {

/// What all seats of a run share; outlives them.
struct Bench {
  tool::Context& context;
  const Options& options;
  SourceWorld world;
  Collector& collector;
  tool::Deliveries& deliveries;
  DeviceIds& ids;
  Asker& asker;
  tool::ProjectFacts project;
  bool several = false;
  /// The first attempt of a seat to open its input failed.
  std::function<void()> on_unavailable;
};

class Seat final : public StationObserver {
 public:
  /// Errc::usage for an input that makes no sense; errors of the recording's file.
  [[nodiscard]] static Result<std::unique_ptr<Seat>> create(Bench& bench, const std::string& input);
  ~Seat() override;

  /// Until its samples are taken, its input ended, or stop(). The error that ended it, if any.
  [[nodiscard]] Awaitable<Result<void>> run();
  /// What was cut is still stored.
  void stop();
  void fail_with(Error error);

  [[nodiscard]] const std::string& input() const { return input_; }
  [[nodiscard]] const Station& station() const { return *station_; }
  [[nodiscard]] StationStatus& status() { return station_->edit_status(); }
  [[nodiscard]] const SamplerCounters& counters() const;
  /// It was open once.
  [[nodiscard]] bool opened() const { return opened_; }
  /// Why it is not, where it is not.
  [[nodiscard]] const std::optional<Error>& unavailable() const { return unavailable_; }

 private:
  Seat(Bench& bench, std::string input);
  void on_opened() override;
  void on_unavailable(const Error& error) override;
  void on_baud(std::uint32_t bits_per_second) override;
  [[nodiscard]] StationSettings station_settings();
  [[nodiscard]] SamplerSettings sampler_settings() const;
  void seat_observers();
  void record();

  Bench& bench_;
  std::string input_;
  std::shared_ptr<Station> station_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<Teller> teller_;
  std::shared_ptr<AxisNaming> naming_;
  std::unique_ptr<Sampler> sampler_;
  std::shared_ptr<RemoteSession> session_;
  Event station_over_;
  Result<void> station_result_;
  std::optional<Error> error_;
  std::optional<Error> unavailable_;
  bool opened_ = false;
  bool stopping_ = false;
};

}  // namespace tml::forwarder
