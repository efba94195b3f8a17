// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One impulse at work: a window in, scores out, in bounded pieces, so that the serial line and the sampling stay alive
// between them. A piece is one block of the signal processing, the anomaly score, or model steps for half a millisecond
// (at least one).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/app/arena.hpp"
#include "firmware/app/drift.hpp"
#include "firmware/app/impulse.hpp"
#include "firmware/nn/player.hpp"

namespace tml::fw::app {

struct StageResult {
  std::span<const float> scores;  ///< Per label, smoothed when that is by average; one value = a regression.
  int label = -1;                 ///< The result: index of a label, -1 = uncertain.
  bool decides = false;           ///< The impulse has a threshold or smoothing, so `label` says more than the scores.
  bool has_anomaly = false;
  float anomaly = 0;
  bool is_anomaly = false;
  RunCost cost;
};

/// Lives as long as its job; its buffers are in the arena. Calls:
///
///     use(...)  set_work(...)  then per window: start_*()  step() until it is not `more`  result()
class Stage {
 public:
  enum class Progress : std::uint8_t {
    more,     ///< Call again.
    done,     ///< result() is new.
    filling,  ///< Incremental: the first window's frames are not all there yet. No result.
    failed    ///< error() tells; this window has no result.
  };

  /// How windows follow one another.
  enum class Windows : std::uint8_t {
    single,    ///< Each by itself: no smoothing, the threshold alone decides.
    in_a_row,  ///< One after another of one sensor: smoothed.
    slices     ///< As slices of a sliding window; where the block has frames each is computed once. Smoothed.
  };

  /// Takes what this impulse needs from `memory`. `window`: of the signal processing. `drift` may be null: nothing is
  /// counted.
  void use(const Board& board, const Impulse& impulse, const dsp::WindowFacts& window, Windows windows,
           ArenaTaker& memory, Drift* drift);
  /// RAM that is free between two runs and may be shared by stages: the model's activations, scratch of the signal
  /// processing. Valid after use().
  [[nodiscard]] std::size_t work_bytes() const { return work_bytes_; }
  void set_work(std::span<std::uint8_t> work) { work_ = work; }

  /// A whole window.
  void start(dsp::Signal& signal);
  /// Incremental: `recent` holds the last `readings` readings, `fresh` of them new since the last slice.
  void start_slice(dsp::Signal& recent, std::uint32_t readings, std::uint32_t fresh);
  /// Features that the caller has put into features().
  void start_features();
  [[nodiscard]] Progress step();
  [[nodiscard]] const StageResult& result() const { return result_; }
  [[nodiscard]] std::string_view error() const { return error_; }

  /// Forgets frames and smoothing, as after lost readings.
  void reset();

  [[nodiscard]] const Impulse& impulse() const { return *impulse_; }
  [[nodiscard]] std::span<float> features() const { return features_; }
  [[nodiscard]] bool incremental() const { return !streams_.empty(); }
  /// Readings before a window's or slice's end that its signal processing reads.
  [[nodiscard]] std::uint32_t reach(std::uint32_t fresh) const;

 private:
  enum class Phase : std::uint8_t { blocks, anomaly, quantise, model, output };

  [[nodiscard]] bool take_streams(ArenaTaker& memory);
  [[nodiscard]] Progress fail(std::string_view why);
  [[nodiscard]] Progress run_block();
  [[nodiscard]] Progress copy_window();
  [[nodiscard]] Progress run_anomaly();
  void quantise();
  [[nodiscard]] Progress run_model();
  [[nodiscard]] Progress finish();
  void read_scores();
  void smooth();

  const Board* board_ = nullptr;
  const Impulse* impulse_ = nullptr;
  Drift* drift_ = nullptr;
  dsp::WindowFacts window_;
  dsp::Signal* signal_ = nullptr;
  std::span<std::uint8_t> work_;
  std::size_t work_bytes_ = 0;
  std::span<float> features_;
  std::span<dsp::FrameStream> streams_;  ///< One per block, in incremental use.
  std::span<std::uint8_t> input_copy_;   ///< The quantised input, for a reconstruction error.
  std::span<float> scores_;
  std::span<float> average_;
  std::span<float> history_;               ///< Smoothing by average: smoothing_length x scores.
  std::array<std::int8_t, 32> winners_{};  ///< Smoothing by majority.
  std::uint8_t smoothed_ = 0;              ///< Windows in history_ or winners_.
  std::uint8_t smooth_next_ = 0;
  Phase phase_ = Phase::blocks;
  std::size_t block_ = 0;
  std::uint32_t offset_ = 0;    ///< Features of the blocks before this one.
  std::uint32_t readings_ = 0;  ///< Of a slice.
  std::uint32_t fresh_ = 0;
  bool filling_ = false;
  bool smooths_ = false;
  bool whole_ = true;
  std::optional<nn::Steps> steps_;
  StageResult result_;
  std::string_view error_;
};

}  // namespace tml::fw::app
