// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The part of ImpulseJob that tells about a window, piece by piece as the transmitter has room.
#include "firmware/app/impulse_job.hpp"

namespace tml::fw::app {

using wire::model::Gate;

// Writes some of the part at hand and moves on to the next one when it is complete. False: no room.
bool ImpulseJob::print_part() {
  const bool image = pair_.lead().image();
  const bool cascade = pair_.gate() != Gate::none;
  const bool frame = image && options_.debug;
  Output& out = services_.out;
  if (out.room() < 2 * Line::kMax) return false;
  switch (print_) {
    case Print::overrun:
      if (told_ != skipped_ + lost_) {
        told_ = skipped_ + lost_;
        Line line;
        line.put("Overrun: ").number(skipped_).put(" windows skipped, ").number(lost_).put(" readings lost\n");
        out.text(line.view());
      }
      print_ = full_ ? Print::frame_begin : Print::end;
      return true;
    case Print::frame_begin:
      print_ = options_.debug ? Print::window : Print::result;
      if (options_.debug) begin_window_values();
      if (!frame) return true;
      out.text("Begin output\nFramebuffer: ");
      jpeg_.begin(*source_.camera, source_.picture, picture_channels(source_.camera->info()));
      transfer_.begin();
      print_ = Print::frame;
      return true;
    case Print::frame: {
      if (!transfer_.has_room()) return false;
      const auto memory = transfer_.chunk(Transfer::kChunk);
      const std::size_t count = jpeg_.next(memory);
      if (count > 0) {
        transfer_.put(memory.first(count));
        return true;
      }
      transfer_.finish();
      out.text("\n");
      print_ = Print::window;
      return true;
    }
    case Print::window:
      if (!values_.write(out)) return false;
      print_ = Print::features;
      if (first_ran_ && !image) {
        features_ = dsp::FloatSignal(first_.features());
        values_.begin("Features:", features_, first_.features().size());
      }
      return true;
    case Print::features:
      if (!values_.write(out)) return false;
      print_ = Print::result;
      return true;
    case Print::result:
      if (first_ran_) {
        result_.begin(first_, frame ? ResultForm::frame : ResultForm::run, options_.debug || cascade);
      }
      print_ = Print::frame_end;
      return true;
    case Print::frame_end:
      if (first_ran_ && !result_.write(services_)) return false;
      if (frame && !second_ran_) out.text("End output\n");
      print_ = Print::cascade;
      return true;
    case Print::cascade:
      print_ = Print::second_features;
      if (cascade) print_cascade();
      if (second_ran_ && options_.debug && !image) {
        features_ = dsp::FloatSignal(second_.features());
        values_.begin("Features:", features_, second_.features().size());
      }
      return true;
    case Print::second_features:
      if (!values_.write(out)) return false;
      print_ = Print::second;
      if (second_ran_) result_.begin(second_, frame ? ResultForm::frame : ResultForm::run, options_.debug || cascade);
      return true;
    case Print::second:
      if (second_ran_ && !result_.write(services_)) return false;
      if (frame && second_ran_) out.text("End output\n");
      print_ = Print::end;
      return true;
    case Print::end:
      return true;
  }
  return true;
}

// A second of audio would take ten on the line, so only rows are shown.
void ImpulseJob::begin_window_values() {
  if (source_.sensor == nullptr || source_.sensor->info().form == hal::SampleForm::i16_audio) return;
  if (!first_ran_ || first_.incremental()) return;
  window_values_.set(readings_, *pair_.first->head, window_start(*pair_.first), pair_.first->head->window);
  values_.begin("Window:", window_values_, pair_.first->window_values());
}

void ImpulseJob::print_cascade() {
  Line line;
  const Drift& second = drift_[1];
  line.put("Cascade: gate ").fixed(static_cast<double>(gate_.value()), 6).put(second_ran_ ? ", open" : ", closed");
  line.put(", second stage ran ").number(second.windows).put(" of ").number(second.chances).put(" windows\n");
  services_.out.text(line.view());
}

}  // namespace tml::fw::app
