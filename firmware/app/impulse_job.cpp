// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/impulse_job.hpp"

#include <algorithm>

namespace tml::fw::app {

using wire::model::Gate;

void ImpulseJob::begin(ImpulseOptions options) {
  options_ = options;
  stopping_ = false;
  failure_ = {};
  transfer_.begin();
  pair_ = Pair{};
  source_ = Source{};
  readings_ = Readings{};
  first_ = Stage{};
  second_ = Stage{};
  values_ = ValuesPrinter{};
  running_ = nullptr;
  camera_on_ = false;
  skipped_ = 0;
  lost_ = 0;
  told_ = 0;
  due_ = 1;
  state_ = State::check;
}

Step ImpulseJob::settle(std::uint32_t baud, State next) {
  const Step step = transfer_.change_rate(baud);
  if (!step.done) return step;
  state_ = next;
  return Step::again();
}

Step ImpulseJob::step() {
  const hal::SystemInfo& info = services_.board.system.info();
  const bool winding_up = state_ == State::settle_after || state_ == State::tail || state_ == State::settle_before;
  // What pair_ points to is gone or about to be.
  const bool replaced = state_ != State::check && !winding_up && !slots_.intact(use_);
  if (replaced && failure_.empty()) failure_ = "the model was replaced";
  if ((stopping_ || !failure_.empty()) && !winding_up) return end();
  switch (state_) {
    case State::check:
      if (!slots_.check_some()) return Step::again();
      if (!prepare()) return Step::finished();
      state_ = options_.fast ? State::settle_before : State::head;
      return Step::again();
    case State::settle_before:
      return settle(info.transfer_baud, State::head);
    case State::head:
      if (services_.out.room() < 2 * Line::kMax) return Step::when_sent();
      print_head();
      state_ = options_.continuous ? State::start : State::announce;
      return Step::again();
    case State::announce:
      if (services_.out.room() < Line::kMax) return Step::when_sent();
      services_.out.text("Starting inferencing in 2 seconds...\n");
      not_before_us_ = services_.board.clock.device_us() + kCountdownUs;
      state_ = State::countdown;
      return Step::again();
    case State::countdown: {
      const std::uint64_t now_us = services_.board.clock.device_us();
      if (now_us < not_before_us_) return Step::after(services_.board.clock.wire_delay_us(not_before_us_ - now_us));
      state_ = State::start;
      return Step::again();
    }
    case State::start:
      return start_sampling();
    case State::wait_for_picture:
      return wait_for_picture();
    case State::collect:
      return collect();
    case State::windows:
      return windows();
    case State::run:
      return run();
    case State::print:
      return print();
    case State::settle_after:
      return settle(info.default_baud, State::tail);
    case State::tail:
      services_.out.text("\n");
      return Step::finished();
  }
  return Step::finished();
}

Step ImpulseJob::fail(std::string_view reason) {
  failure_ = reason;
  return end();
}

Step ImpulseJob::end() {
  if (services_.out.room() < 2 * Line::kMax) return Step::when_sent();
  readings_.stop();
  if (camera_on_) source_.camera->stop();
  camera_on_ = false;
  if (!failure_.empty()) {
    services_.out.text("ERR: ");
    services_.out.text(failure_);
    services_.out.text("\n");
  } else if (stopping_) {
    // A line that was cut short ends here, so that the last one stands alone.
    if (state_ == State::print && (print_ == Print::frame || values_.line_open())) services_.out.text("\n");
    services_.out.text("Inferencing stopped by user\n");
  }
  stopping_ = false;
  failure_ = {};
  transfer_.begin();
  if (!options_.fast || state_ == State::check) return Step::finished();
  state_ = State::settle_after;
  return Step::again();
}

Step ImpulseJob::start_sampling() {
  Output& out = services_.out;
  if (out.room() < Line::kMax) return Step::when_sent();
  if (source_.camera != nullptr) {
    out.text("Taking photo...\n");
    if (!source_.camera->start(source_.picture)) return fail("the camera does not answer");
    camera_on_ = true;
    state_ = State::wait_for_picture;
    return Step::again();
  }
  const double interval_ms = 1000.0 / static_cast<double>(pair_.lead().head->frequency_hz);
  if (!readings_.start(interval_ms, services_.board.clock))
    return fail("Failed to start sampling: the sensor does not answer or cannot do this rate");
  base_ = 0;
  gap_ = false;
  pushed_ = 0;
  if (options_.continuous) {
    // Where frames are computed once, they are from the first slice on; results come when a window of them is there.
    end_ = lead_stage().incremental() ? stride() : pair_.lead().head->window;
    wait_for_window();
    state_ = State::windows;
    return Step::again();
  }
  const bool audio = source_.sensor->info().form == hal::SampleForm::i16_audio;
  out.text(audio ? "Recording...\n" : "Sampling...\n");
  state_ = State::collect;
  return Step::again();
}

Step ImpulseJob::wait_for_picture() {
  hal::Camera& camera = *source_.camera;
  const auto state = camera.state();
  if (state == hal::Camera::State::busy) {
    const hal::Clock& clock = services_.board.clock;
    const std::uint64_t ready_us = camera.ready_us();
    const std::uint64_t now_us = clock.device_us();
    return Step::after(clock.wire_delay_us(ready_us > now_us ? ready_us - now_us : 1000));
  }
  if (state != hal::Camera::State::ready) return fail("the picture was lost");
  const std::uint32_t raw =
      std::uint32_t{source_.picture.width} * source_.picture.height * picture_channels(camera.info());
  if (camera.frame_bytes() != raw) return fail("the camera gives JPEG, which this firmware does not decode");
  picture_.set(camera, raw);
  start_window();
  return Step::again();
}

Step ImpulseJob::collect() {
  if (readings_.fetch(0, services_.board.clock) > 0 && readings_.taken() < collect_) return Step::again();
  if (readings_.lost() > 0) {
    lead_drift().lost += readings_.lost();
    return fail("the sensor was faster than the board: readings lost");
  }
  if (readings_.taken() >= collect_) {
    readings_.stop();
    if (source_.sensor->info().form == hal::SampleForm::i16_audio) services_.out.text("Recording done\n");
    end_ = collect_;
    start_window();
    return Step::again();
  }
  if (readings_.silent(services_.board.clock)) return fail("the sensor stopped giving readings");
  return Step::after(readings_.delay_us(services_.board.clock));
}

std::uint64_t ImpulseJob::window_start(const Impulse& impulse) const {
  return end_ >= impulse.head->window ? end_ - impulse.head->window : 0;
}

// The driver drops its oldest readings, so what was taken before a loss is whole and what comes behind it starts anew.
void ImpulseJob::fetch() {
  (void)readings_.fetch(keep_, services_.board.clock);
  const std::uint32_t lost = readings_.lost();
  if (lost == lost_) return;
  lead_drift().lost += lost - lost_;
  lost_ = lost;
  base_ = readings_.taken();
  gap_ = true;
}

// end_ is new: says from where on the ring has to keep readings for it.
void ImpulseJob::wait_for_window() {
  std::uint64_t reach = lead_stage().reach(static_cast<std::uint32_t>(end_ - std::min(pushed_, end_)));
  if (pair_.second != nullptr) reach = std::max<std::uint64_t>(reach, pair_.second->head->window);
  keep_ = std::max(end_ - std::min(reach, end_), base_);
}

// Called between two windows.
void ImpulseJob::catch_up() {
  if (gap_) {
    gap_ = false;
    end_ = base_ + (lead_stage().incremental() ? stride() : pair_.lead().head->window);
    pushed_ = base_;
    first_.reset();
    second_.reset();
    wait_for_window();
  }
  if (readings_.taken() < end_) return;
  const std::uint64_t behind = (readings_.taken() - end_) / stride();
  if (behind < kMaxBehind) return;
  end_ += behind * stride();
  skipped_ += behind;
  lead_drift().skipped += behind;
  wait_for_window();
}

Step ImpulseJob::windows() {
  fetch();
  catch_up();
  if (readings_.taken() >= end_) {
    start_window();
    return Step::again();
  }
  if (readings_.silent(services_.board.clock)) return fail("the sensor stopped giving readings");
  return Step::after(readings_.delay_us(services_.board.clock));
}

void ImpulseJob::begin_first() {
  const Impulse& impulse = *pair_.first;
  running_ = &first_;
  first_ran_ = true;
  if (impulse.image()) return first_.start(picture_);
  if (!first_.incremental()) {
    signal_.set(readings_, *impulse.head, window_start(impulse), impulse.head->window);
    return first_.start(signal_);
  }
  const std::uint64_t from = std::max(readings_.oldest(), base_);
  const auto fresh = static_cast<std::uint32_t>(end_ - pushed_);
  const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(end_ - from, first_.reach(fresh)));
  signal_.set(readings_, *impulse.head, end_ - count, count);
  pushed_ = end_;
  first_.start_slice(signal_, count, fresh);
}

void ImpulseJob::start_window() {
  state_ = State::run;
  first_ran_ = false;
  second_ran_ = false;
  running_ = nullptr;
  if (pair_.first != nullptr) return begin_first();
  after_first();
}

bool ImpulseJob::gate_opens() {
  const wire::model::ImpulseHead& head = *pair_.second->head;
  if (head.gate == Gate::none) return true;
  if (head.gate != Gate::level) return gate_.look(gate_value(first_, head));
  const std::uint32_t before = services_.board.clock.work();
  const std::uint64_t from = std::max(end_ - std::min<std::uint64_t>(head.stride, end_), base_);
  const float value = level(readings_, from, end_, head.axes[head.gate_label]);
  drift_[1].gate_work += services_.board.clock.work() - before;
  return gate_.look(value);
}

void ImpulseJob::after_first() {
  running_ = nullptr;
  if (pair_.first != nullptr) ++drift_[pair_.first_slot].chances;
  if (pair_.second == nullptr) return window_done();
  const Impulse& impulse = *pair_.second;
  const bool whole = impulse.image() || end_ >= base_ + impulse.head->window;
  ++drift_[1].chances;
  if (!gate_opens() || !whole) return window_done();
  second_ran_ = true;
  running_ = &second_;
  if (impulse.image()) return second_.start(picture_);
  signal_.set(readings_, *impulse.head, window_start(impulse), impulse.head->window);
  second_.start(signal_);
}

void ImpulseJob::window_done() {
  running_ = nullptr;
  state_ = State::print;
  print_ = Print::overrun;
  full_ = !options_.continuous || options_.debug || --due_ == 0;
  if (!full_ || !options_.continuous) return;
  // As other boards of the ecosystem: one result per half window (wire reference 7).
  due_ = std::max<std::uint32_t>(1, pair_.lead().head->window / stride() / 2);
}

void ImpulseJob::stage_done(Stage::Progress progress) {
  if (progress == Stage::Progress::filling) {
    first_ran_ = false;
    state_ = State::print;
    print_ = Print::end;
    running_ = nullptr;
    return;
  }
  if (progress == Stage::Progress::failed) {
    Line line;
    line.put("ERR: Failed to run impulse (").put(running_->error()).put(")\n");
    services_.out.text(line.view());
    const bool first = running_ == &first_;
    running_->reset();
    if (first) first_ran_ = false;
    if (!first) second_ran_ = false;
    return window_done();
  }
  if (running_ == &first_) return after_first();
  window_done();
}

Step ImpulseJob::run() {
  if (readings_.running()) fetch();
  if (running_ == nullptr) return Step::again();
  if (services_.out.room() < Line::kMax) return wait_for_room();
  const Stage::Progress progress = running_->step();
  if (progress != Stage::Progress::more) stage_done(progress);
  return Step::again();
}

Step ImpulseJob::wait_for_room() {
  Step step = Step::when_sent();
  if (readings_.running()) step.delay_us = readings_.delay_us(services_.board.clock);
  return step;
}

Step ImpulseJob::print() {
  if (readings_.running()) fetch();
  if (print_ != Print::end) {
    if (!print_part()) return wait_for_room();
    return Step::again();
  }
  if (options_.continuous) {
    end_ += stride();
    wait_for_window();
    state_ = State::windows;
    return Step::again();
  }
  if (camera_on_) source_.camera->stop();
  camera_on_ = false;
  state_ = State::announce;
  return Step::again();
}

}  // namespace tml::fw::app
