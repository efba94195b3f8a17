// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/static_job.hpp"

#include <algorithm>
#include <cmath>

namespace tml::fw::app {

void StaticJob::begin(bool debug, std::uint32_t count) {
  debug_ = debug;
  count_ = count;
  state_ = State::check;
}

bool StaticJob::prepare() {
  const std::size_t slot = slots_.impulse(0) != nullptr ? 0 : 1;
  use_ = {};
  slots_.use_slot(slot, use_);
  const Impulse* const impulse = slots_.impulse(slot);
  if (impulse == nullptr) {
    print_no_model(services_, slots_);
    return false;
  }
  Output& out = services_.out;
  Line line;
  if (count_ != impulse->window_values()) {
    line.put("ERROR: The size of the input buffer is not correct.\nExpected ").number(impulse->window_values());
    line.put(" items, but got ").number(count_).put('\n');
    out.text(line.view());
    return false;
  }
  ArenaTaker memory(services_.board.arena);
  const hal::CameraResolution picture =
      impulse->image() ? hal::CameraResolution{impulse->head->image_width, impulse->head->image_height}
                       : hal::CameraResolution{};
  stage_.use(services_.board, *impulse, impulse->window(picture, 3), Stage::Windows::single, memory, nullptr);
  // Where the values are the features they need no room of their own.
  values_ = impulse->head == nullptr ? stage_.features() : memory.floats(count_);
  stage_.set_work(memory.take(stage_.work_bytes()));
  if (!memory.failed()) return true;
  line.put("ERR: the impulse needs ").number(memory.needed()).put(" bytes of RAM beside the firmware, this board has ");
  line.number(memory.size()).put('\n');
  out.text(line.view());
  return false;
}

void StaticJob::start() {
  const Impulse& impulse = stage_.impulse();
  if (impulse.image()) {
    pixels_.set(values_);
    return stage_.start(pixels_);
  }
  window_ = dsp::FloatSignal(values_);
  stage_.start(window_);
  if (impulse.head == nullptr) stage_.start_features();
}

Step StaticJob::finish(unsigned code) {
  Line line;
  line.put("RESULT ").number(code).put("\nEND OUTPUT\n");
  services_.out.text(line.view());
  return Step::finished();
}

Step StaticJob::step() {
  Output& out = services_.out;
  if (state_ != State::check && !slots_.intact(use_)) {
    if (out.room() < Line::kMax) return Step::when_sent();
    out.text("ERR: the model was replaced\n");
    return finish(kFailed);
  }
  switch (state_) {
    case State::check:
      if (!slots_.check_some()) return Step::again();
      if (out.room() < 2 * Line::kMax) return Step::when_sent();
      if (!prepare()) return Step::finished();
      input_.begin({reinterpret_cast<std::uint8_t*>(values_.data()), values_.size_bytes()}, sizeof(float));
      state_ = State::receive;
      return Step::again();
    case State::receive: {
      const Step step = input_.step();
      if (!step.done) return step;
      if (input_.state() != BlockInput::State::complete) {
        out.text("END OUTPUT\n");
        return Step::finished();
      }
      const bool bare = stage_.impulse().head == nullptr;
      const bool numbers =
          std::all_of(values_.begin(), values_.end(), [](float value) { return std::isfinite(value); });
      if (bare && !numbers) {
        out.text("ERR: a value is not a finite number\n");
        return finish(kFailed);
      }
      start();
      state_ = State::run;
      return Step::again();
    }
    case State::run: {
      if (out.room() < 2 * Line::kMax) return Step::when_sent();
      const Stage::Progress progress = stage_.step();
      if (progress == Stage::Progress::more) return Step::again();
      if (progress == Stage::Progress::failed) {
        Line line;
        line.put("ERR: Failed to run impulse (").put(stage_.error()).put(")\n");
        out.text(line.view());
        return finish(kFailed);
      }
      features_ = dsp::FloatSignal(stage_.features());
      if (debug_) printer_.begin("Features:", features_, stage_.features().size());
      result_.begin(stage_, ResultForm::fixed, debug_);
      state_ = State::features;
      return Step::again();
    }
    case State::features:
      if (!printer_.write(out)) return Step::when_sent();
      state_ = State::result;
      return Step::again();
    case State::result:
      if (out.room() < 2 * Line::kMax || !result_.write(services_)) return Step::when_sent();
      return finish(kDone);
  }
  return Step::finished();
}

}  // namespace tml::fw::app
