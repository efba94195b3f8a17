// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/app/stage.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

namespace tml::fw::app {
namespace {

using wire::model::AnomalyKind;
using wire::model::ElementType;
using wire::model::Smoothing;
using wire::model::TensorFacts;

/// Model steps run until this much wire time has passed.
constexpr std::uint64_t kPieceUs = 500;
constexpr std::int32_t kLow = -128;
constexpr std::int32_t kHigh = 127;

/// Adds the time and work of its own life to two sums.
class Meter {
 public:
  Meter(const hal::Clock& clock, std::uint64_t& us, std::uint32_t& work)
      : clock_(clock), us_(us), work_(work), from_us_(clock.wire_us()), from_work_(clock.work()) {}
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;
  ~Meter() {
    work_ += clock_.work() - from_work_;
    us_ += clock_.wire_us() - from_us_;
  }

 private:
  const hal::Clock& clock_;
  std::uint64_t& us_;
  std::uint32_t& work_;
  std::uint64_t from_us_;
  std::uint32_t from_work_;
};

bool finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

bool Stage::take_streams(ArenaTaker& memory) {
  for (const dsp::BlockConfig& block : impulse_->blocks) {
    if (!dsp::FrameStream::ring_floats(block, window_)) return false;
  }
  const std::size_t count = impulse_->blocks.size();
  const auto place = memory.take(count * sizeof(dsp::FrameStream));
  auto* const first = reinterpret_cast<dsp::FrameStream*>(place.data());
  for (std::size_t i = 0; i < count; ++i) {
    const auto ring = memory.floats(*dsp::FrameStream::ring_floats(impulse_->blocks[i], window_));
    if (place.empty() || ring.empty()) continue;  // the taker remembers
    auto* const stream = new (first + i) dsp::FrameStream();
    if (!stream->begin(impulse_->blocks[i], window_, ring)) return false;
  }
  if (!memory.failed()) streams_ = {first, count};
  return true;
}

void Stage::use(const Board& board, const Impulse& impulse, const dsp::WindowFacts& window, Windows windows,
                ArenaTaker& memory, Drift* drift) {
  *this = Stage{};
  board_ = &board;
  impulse_ = &impulse;
  drift_ = drift;
  window_ = window;
  smooths_ = false;
  const wire::model::Header& header = impulse.package.header();
  features_ = memory.floats(impulse.features);
  std::size_t scratch = impulse.scratch_bytes;
  for (const dsp::BlockConfig& block : impulse.blocks) {
    const auto facts = dsp::check(block, window);
    if (facts) scratch = std::max<std::size_t>(scratch, facts->scratch_bytes);
  }
  if (impulse.has_anomaly) scratch = std::max(scratch, dsp::score_scratch(impulse.anomaly) * sizeof(float));
  work_bytes_ = std::max<std::size_t>(scratch, header.arena_bytes);
  const std::size_t outputs = impulse.outputs();
  const bool is_error = impulse.head != nullptr && impulse.head->anomaly == AnomalyKind::reconstruction;
  const bool numbered = header.label_count == 0 && outputs <= wire::model::kMaxLabels && !is_error;
  const std::size_t shown = outputs == header.label_count || outputs == 1 || numbered ? outputs : 0;
  scores_ = memory.floats(shown);
  if (impulse.head == nullptr) return;
  if (impulse.head->anomaly == AnomalyKind::reconstruction) input_copy_ = memory.take(impulse.features);
  smooths_ = windows != Windows::single && impulse.head->smoothing != Smoothing::none;
  if (smooths_ && impulse.head->smoothing == Smoothing::average) {
    average_ = memory.floats(shown);
    history_ = memory.floats(shown * impulse.head->smoothing_length);
  }
  if (windows == Windows::slices && !impulse.blocks.empty()) (void)take_streams(memory);
}

std::uint32_t Stage::reach(std::uint32_t fresh) const {
  if (impulse_->head == nullptr) return 0;
  if (!incremental()) return impulse_->head->window;
  std::uint32_t longest = 0;
  for (const dsp::BlockConfig& block : impulse_->blocks) longest = std::max<std::uint32_t>(longest, block.frame_length);
  return longest + fresh;
}

void Stage::reset() {
  for (dsp::FrameStream& stream : streams_) stream.reset();
  smoothed_ = 0;
  smooth_next_ = 0;
}

void Stage::start(dsp::Signal& signal) {
  signal_ = &signal;
  whole_ = true;
  phase_ = Phase::blocks;
  block_ = 0;
  offset_ = 0;
  filling_ = false;
  error_ = {};
  result_ = StageResult{};
}

void Stage::start_slice(dsp::Signal& recent, std::uint32_t readings, std::uint32_t fresh) {
  start(recent);
  whole_ = false;
  readings_ = readings;
  fresh_ = fresh;
}

void Stage::start_features() {
  start(*signal_);
  phase_ = Phase::anomaly;
}

Stage::Progress Stage::fail(std::string_view why) {
  error_ = why;
  if (drift_ != nullptr) ++drift_->failed;
  return Progress::failed;
}

Stage::Progress Stage::copy_window() {
  if (!signal_->read(0, features_)) return fail("the window's readings could not be read");
  if (!finite(features_)) return fail("a reading is not a finite number");
  return Progress::more;
}

Stage::Progress Stage::run_block() {
  if (impulse_->blocks.empty()) return copy_window();
  const dsp::BlockConfig& block = impulse_->blocks[block_];
  const auto scratch = std::as_writable_bytes(work_);
  const auto facts = dsp::check(block, window_);
  if (!facts || offset_ + facts->features > features_.size()) return fail("the blocks do not fit the features");
  const auto into = features_.subspan(offset_, facts->features);
  if (whole_) {
    const auto done = dsp::run(block, window_, *signal_, into, scratch);
    if (!done) return fail(dsp::text(done.error()));
  } else {
    dsp::FrameStream& stream = streams_[block_];
    const auto pushed = stream.push(*signal_, readings_, fresh_, scratch);
    if (!pushed) return fail(dsp::text(pushed.error()));
    if (stream.ready()) {
      const auto done = stream.features(into);
      if (!done) return fail(dsp::text(done.error()));
    } else {
      filling_ = true;
    }
  }
  offset_ += facts->features;
  return Progress::more;
}

Stage::Progress Stage::run_anomaly() {
  if (drift_ != nullptr) drift_->count_features(features_);
  if (!impulse_->has_anomaly) return Progress::more;
  const Meter meter(board_->clock, result_.cost.anomaly_us, result_.cost.anomaly_work);
  const std::size_t inputs = dsp::score_scratch(impulse_->anomaly);
  const auto score = dsp::score(impulse_->anomaly, features_, {reinterpret_cast<float*>(work_.data()), inputs});
  if (!score) return fail(dsp::text(score.error()));
  result_.has_anomaly = true;
  result_.anomaly = *score;
  return Progress::more;
}

void Stage::quantise() {
  const TensorFacts& input = impulse_->package.header().input;
  std::uint8_t* const into = work_.data() + input.arena_offset;
  if (input.type == ElementType::float32) {
    std::memcpy(into, features_.data(), input.bytes);
    return;
  }
  const float zero = static_cast<float>(input.zero_point);
  std::uint32_t clamped = 0;
  for (std::size_t i = 0; i < features_.size(); ++i) {
    // As TensorFlow Lite's AffineQuantize: half away from zero.
    const float value = std::round(features_[i] / input.scale) + zero;
    const float inside = std::clamp(value, static_cast<float>(kLow), static_cast<float>(kHigh));
    clamped += inside == value ? 0U : 1U;
    into[i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(inside));
  }
  if (drift_ != nullptr) drift_->input_clamped += clamped;
  if (!input_copy_.empty()) std::memcpy(input_copy_.data(), into, input_copy_.size());
}

Stage::Progress Stage::run_model() {
  const Meter meter(board_->clock, result_.cost.model_us, result_.cost.model_work);
  const std::uint64_t until_us = board_->clock.wire_us() + kPieceUs;
  do {
    const std::uint8_t* const record = steps_->next();
    if (record == nullptr) return Progress::done;
    nn::run_step(record, impulse_->package, *board_->kernels, work_);
  } while (board_->clock.wire_us() < until_us);
  return Progress::more;
}

void Stage::read_scores() {
  const TensorFacts& output = impulse_->package.header().output;
  const std::uint8_t* const from = work_.data() + output.arena_offset;
  if (output.type == ElementType::float32) {
    if (!scores_.empty()) std::memcpy(scores_.data(), from, scores_.size() * sizeof(float));
    return;
  }
  const auto* const values = reinterpret_cast<const std::int8_t*>(from);
  for (std::size_t i = 0; i < scores_.size(); ++i) {
    scores_[i] = output.scale * static_cast<float>(values[i] - output.zero_point);
  }
  if (drift_ == nullptr) return;
  for (std::size_t i = 0; i < output.bytes; ++i) {
    if (values[i] == kLow) ++drift_->output_low;
    if (values[i] == kHigh) ++drift_->output_high;
  }
}

void Stage::smooth() {
  const wire::model::ImpulseHead& head = *impulse_->head;
  const std::size_t count = scores_.size();
  const auto* const best = std::max_element(scores_.data(), scores_.data() + count);
  int winner = *best >= head.threshold ? static_cast<int>(best - scores_.data()) : -1;
  result_.decides = smooths_ || head.threshold > 0;
  if (!smooths_) {
    result_.label = winner;
    return;
  }
  if (smoothed_ < head.smoothing_length) ++smoothed_;
  const std::size_t slot = smooth_next_;
  smooth_next_ = static_cast<std::uint8_t>((smooth_next_ + 1U) % head.smoothing_length);
  if (head.smoothing == Smoothing::average) {
    std::copy(scores_.begin(), scores_.end(), history_.subspan(slot * count, count).begin());
    for (std::size_t i = 0; i < count; ++i) {
      float sum = 0;
      for (std::size_t w = 0; w < smoothed_; ++w) sum += history_[w * count + i];
      average_[i] = sum / static_cast<float>(smoothed_);
    }
    result_.scores = average_;
    const auto* const top = std::max_element(average_.data(), average_.data() + count);
    result_.label = *top >= head.threshold ? static_cast<int>(top - average_.data()) : -1;
    return;
  }
  winners_[slot] = static_cast<std::int8_t>(winner);
  std::ptrdiff_t most = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto votes = std::count(winners_.begin(), winners_.begin() + smoothed_, static_cast<std::int8_t>(i));
    if (votes < head.smoothing_count || votes <= most) continue;
    most = votes;
    result_.label = static_cast<int>(i);
  }
}

Stage::Progress Stage::finish() {
  if (impulse_->has_model()) {
    read_scores();
    result_.scores = scores_;
    const wire::model::Header& header = impulse_->package.header();
    if (!input_copy_.empty()) {
      const Meter meter(board_->clock, result_.cost.anomaly_us, result_.cost.anomaly_work);
      const auto* const in = reinterpret_cast<const std::int8_t*>(input_copy_.data());
      const auto* const out = reinterpret_cast<const std::int8_t*>(work_.data() + header.output.arena_offset);
      const auto error =
          dsp::reconstruction_error({in, header.input.bytes}, {header.input.scale, header.input.zero_point},
                                    {out, header.output.bytes}, {header.output.scale, header.output.zero_point});
      if (!error) return fail(dsp::text(error.error()));
      result_.has_anomaly = true;
      result_.anomaly = *error;
    }
    if (header.label_count > 0 && !scores_.empty()) {
      if (drift_ != nullptr) drift_->count_scores(scores_);
      if (impulse_->head != nullptr) smooth();
    }
  }
  if (result_.has_anomaly) {
    result_.is_anomaly = result_.anomaly >= impulse_->head->anomaly_threshold;
    if (result_.is_anomaly && drift_ != nullptr) ++drift_->anomalies;
  }
  if (drift_ != nullptr) drift_->count_run(result_.cost);
  return Progress::done;
}

Stage::Progress Stage::step() {
  switch (phase_) {
    case Phase::blocks: {
      const Meter meter(board_->clock, result_.cost.dsp_us, result_.cost.dsp_work);
      const Progress progress = run_block();
      if (progress != Progress::more) return progress;
      if (++block_ < impulse_->blocks.size()) return progress;
      if (filling_) return Progress::filling;
      phase_ = Phase::anomaly;
      return progress;
    }
    case Phase::anomaly: {
      const Progress progress = run_anomaly();
      if (progress != Progress::more) return progress;
      phase_ = impulse_->has_model() ? Phase::quantise : Phase::output;
      return progress;
    }
    case Phase::quantise: {
      const Meter meter(board_->clock, result_.cost.dsp_us, result_.cost.dsp_work);
      quantise();
      steps_.emplace(impulse_->package);
      phase_ = Phase::model;
      return Progress::more;
    }
    case Phase::model:
      if (run_model() == Progress::done) phase_ = Phase::output;
      return Progress::more;
    case Phase::output:
      return finish();
  }
  return Progress::failed;
}

}  // namespace tml::fw::app
