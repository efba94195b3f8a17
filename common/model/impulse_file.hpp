// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The impulse file (TOML): what surrounds a model on a board. Grammar: docs/model-package.md. Parsed into plain data
// here; nothing is read but the text. The text is the user's, but treated as foreign: bounded, every key known, every
// value checked. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/wire/model_impulse.hpp"
#include "firmware/dsp/block.hpp"

namespace tml::model {

inline constexpr std::size_t kMaxImpulseFile = std::size_t{256} << 10U;

/// [anomaly]
struct AnomalySpec {
  wire::model::AnomalyKind kind = wire::model::AnomalyKind::none;
  std::string fit;             ///< Folder of normal recordings; relative to the impulse file.
  std::string fitted;          ///< Or a file that `tml-flash compile --fitted` wrote.
  std::uint32_t clusters = 8;  ///< k_means; at most one per four windows are used.
  std::optional<double> threshold;
  double quantile = 1.0;  ///< Without threshold: this quantile of the scores of the windows that it was fitted on ...
  double margin = 1.1;    ///< ... times this.
  double shrinkage =
      0.0;  ///< mahalanobis: share of the unit matrix in the covariance of standardised features, 0 .. 1.
  std::uint64_t seed = 1;               ///< k_means
  std::vector<std::uint16_t> features;  ///< Indices of the features looked at; empty = all.
};

struct ImpulseSpec {
  std::string name;
  std::string version;
  std::vector<std::string> labels;
  std::string labels_file;  ///< Relative to the impulse file.
  std::string sensor;
  std::vector<std::uint8_t> axes;  ///< Empty: as many as the model or the recordings ask for.
  double frequency_hz = 0;
  double window_ms = 0;
  double stride_ms = 0;  ///< 0 = the window.
  std::vector<fw::dsp::BlockConfig> blocks;
  AnomalySpec anomaly;
  wire::model::Smoothing smoothing = wire::model::Smoothing::none;
  std::uint32_t smoothing_length = 1;
  std::uint32_t smoothing_count = 1;
  double threshold = 0;
  wire::model::Gate gate = wire::model::Gate::none;
  std::uint32_t gate_index = 0;  ///< Label or axis.
  double gate_threshold = 0;
  std::uint32_t gate_hold = 1;

  [[nodiscard]] bool image() const;
  [[nodiscard]] std::uint32_t window_readings() const;
  [[nodiscard]] std::uint32_t stride_readings() const;
};

/// `where`: the file's name. Errc::malformed (TOML, with line and column), Errc::usage (keys and values).
[[nodiscard]] Result<ImpulseSpec> parse_impulse(std::string_view text, std::string_view where);

}  // namespace tml::model
