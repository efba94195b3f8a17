// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// AT+RUNIMPULSE, AT+RUNIMPULSEDEBUG and AT+RUNIMPULSECONT (wire reference 7): windows of a sensor or pictures of the
// camera through the packages of the model slots until `b`.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "firmware/app/cascade.hpp"
#include "firmware/app/impulse_text.hpp"
#include "firmware/app/job.hpp"
#include "firmware/app/jpeg.hpp"
#include "firmware/app/model_slot.hpp"
#include "firmware/app/picture.hpp"
#include "firmware/app/services.hpp"
#include "firmware/app/transfer.hpp"

namespace tml::fw::app {

struct ImpulseOptions {
  bool continuous = false;
  bool debug = false;
  bool fast = false;  ///< At the transfer rate from the settings to the stop.
};

/// In continuous mode a window is due each `stride` readings. The ring holds three strides beside the window: while a
/// window is being worked on the next readings come in. Windows that are due and cannot be run are counted, and so are
/// readings that the driver lost; both are told in a line of their own as soon as they happen.
class ImpulseJob final : public Job {
 public:
  /// Device time between the announcement and the sampling (wire reference 7).
  static constexpr std::uint64_t kCountdownUs = 2'000'000;
  /// Strides that the ring holds beside the window, and the backlog from which on windows are skipped.
  static constexpr std::uint32_t kSpareStrides = 3;
  static constexpr std::uint32_t kMaxBehind = 2;

  ImpulseJob(Services& services, Transfer& transfer, ModelSlots& slots, std::array<Drift, kModelSlots>& drift)
      : services_(services), transfer_(transfer), slots_(slots), drift_(drift) {}

  void begin(ImpulseOptions options);
  Step step() override;
  void stop() override { stopping_ = true; }

 private:
  enum class State : std::uint8_t {
    check,
    settle_before,
    head,
    announce,
    countdown,
    start,
    wait_for_picture,
    collect,
    windows,
    run,
    print,
    settle_after,
    tail
  };
  enum class Print : std::uint8_t {
    overrun,
    frame_begin,
    frame,
    frame_end,
    window,
    features,
    result,
    cascade,
    second_features,
    second,
    end
  };

  // impulse_setup.cpp
  [[nodiscard]] bool prepare();
  [[nodiscard]] bool lay_out(Line& reason);
  void print_head();

  Step settle(std::uint32_t baud, State next);
  Step start_sampling();
  Step wait_for_picture();
  Step collect();
  Step windows();
  Step run();
  Step print();
  [[nodiscard]] bool print_part();
  Step wait_for_room();
  /// `reason`: static text, printed once there is room.
  Step fail(std::string_view reason);
  Step end();

  void fetch();
  void catch_up();
  void start_window();
  void begin_first();
  void stage_done(Stage::Progress progress);
  void after_first();
  [[nodiscard]] bool gate_opens();
  void window_done();
  [[nodiscard]] std::uint64_t window_start(const Impulse& impulse) const;
  void wait_for_window();
  void print_cascade();
  void begin_window_values();
  [[nodiscard]] std::uint32_t stride() const { return pair_.lead().head->stride; }
  [[nodiscard]] Drift& lead_drift() { return drift_[pair_.first != nullptr ? pair_.first_slot : 1]; }
  [[nodiscard]] Stage& lead_stage() { return pair_.first != nullptr ? first_ : second_; }

  Services& services_;
  Transfer& transfer_;
  ModelSlots& slots_;
  std::array<Drift, kModelSlots>& drift_;
  ImpulseOptions options_;
  State state_ = State::check;
  bool stopping_ = false;
  std::string_view failure_;  ///< Why the run ends; static text.

  ModelSlots::Use use_;  ///< What pair_ was made from.
  Pair pair_;
  Source source_;
  Readings readings_;
  Stage first_;
  Stage second_;
  GateState gate_;
  Stage* running_ = nullptr;  ///< The stage at work.
  bool second_ran_ = false;
  bool first_ran_ = false;
  bool full_ = false;  ///< This window's result is printed, not only an overrun.
  bool camera_on_ = false;
  std::uint32_t collect_ = 0;  ///< Readings of a single window.

  bool gap_ = false;           ///< base_ moved: windows begin anew behind the one at work.
  std::uint64_t keep_ = 0;     ///< Readings from here on must not be overwritten.
  std::uint64_t base_ = 0;     ///< First reading that may be used: the start, or the end of a gap.
  std::uint64_t end_ = 0;      ///< End of the window at work, or of the next one.
  std::uint64_t pushed_ = 0;   ///< Incremental: readings before this one have been pushed.
  std::uint64_t skipped_ = 0;  ///< Windows.
  std::uint64_t lost_ = 0;     ///< Readings.
  std::uint64_t told_ = 0;     ///< skipped_ + lost_ as last printed.
  std::uint32_t due_ = 0;      ///< Windows until the next result is printed.
  std::uint64_t not_before_us_ = 0;

  Print print_ = Print::end;
  WindowSignal signal_;
  WindowSignal window_values_;  ///< Of the first stage, for printing.
  PictureSignal picture_;
  dsp::FloatSignal features_{std::span<const float>()};
  ResultPrinter result_;
  ValuesPrinter values_;
  PictureJpeg jpeg_;
};

}  // namespace tml::fw::app
