// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What a slot's impulse has seen since the last reset, in fixed memory, so that a change of its world shows without a
// recording: mean and variance of the features, a histogram of each label's scores, how often numbers were clamped, and
// what the runs cost. Read with AT+DRIFT? (docs/firmware.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/model_package.hpp"

namespace tml::fw::app {

/// One window's cost. Times are wire time, work is in SystemInfo::work_unit.
struct RunCost {
  std::uint64_t dsp_us = 0;
  std::uint64_t model_us = 0;
  std::uint64_t anomaly_us = 0;
  std::uint32_t dsp_work = 0;
  std::uint32_t model_work = 0;
  std::uint32_t anomaly_work = 0;
  [[nodiscard]] std::uint64_t work() const { return std::uint64_t{dsp_work} + model_work + anomaly_work; }
};

class Drift {
 public:
  static constexpr std::size_t kCells = 64;   ///< Features of their own; more are pooled in runs of equal length.
  static constexpr std::size_t kLabels = 16;  ///< The first labels; of others no histogram is kept.
  static constexpr std::size_t kBins = 16;  ///< Of a score from 0 to 1, each 1/16 wide; outside: the first or the last.

  /// Mean and population variance of everything that fell into one cell.
  struct Cell {
    double mean = 0;
    double m2 = 0;
  };

  void reset() { *this = Drift{}; }

  void count_features(std::span<const float> features);
  void count_scores(std::span<const float> scores);
  void count_run(const RunCost& cost);
  void count_arena(std::uint32_t bytes) { arena_bytes = bytes > arena_bytes ? bytes : arena_bytes; }

  [[nodiscard]] std::size_t cells() const { return features < kCells ? features : kCells; }
  /// Features [first_of(cell), first_of(cell + 1)) are pooled in a cell.
  [[nodiscard]] std::size_t first_of(std::size_t n) const { return n * features / cells(); }
  [[nodiscard]] double variance(std::size_t n) const;

  std::uint32_t features = 0;  ///< Of the impulse; 0 = nothing counted yet.
  std::uint32_t windows = 0;   ///< Runs.
  std::uint32_t chances = 0;   ///< Windows at which it could have run: more than `windows` behind a gate.
  std::uint32_t failed = 0;    ///< Windows that the signal processing refused.
  std::uint32_t anomalies = 0;
  std::uint64_t skipped = 0;  ///< Windows that were due and not run, because the processor or the line was too slow.
  std::uint64_t lost = 0;     ///< Readings that the sensor's driver dropped.
  std::uint64_t input_clamped = 0;  ///< Features that lay outside the model's input range.
  std::uint64_t output_low = 0;     ///< int8 outputs of -128.
  std::uint64_t output_high = 0;    ///< int8 outputs of 127.
  std::uint64_t gate_work = 0;      ///< What looking at the gate's level cost.
  std::uint64_t work_total = 0;
  std::uint64_t work_least = 0;
  std::uint64_t work_most = 0;
  std::uint32_t arena_bytes = 0;  ///< High water of what the jobs laid out.
  std::uint32_t label_count = 0;  ///< Histograms in use.
  std::array<Cell, kCells> cell{};
  std::array<std::array<std::uint32_t, kBins>, kLabels> histogram{};
};

}  // namespace tml::fw::app
