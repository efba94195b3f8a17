// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A whole impulse on the host: window -> features -> model and/or anomaly score, with the firmware's own signal
// processing and kernels, bit for bit what a board computes. For tests, `tml-flash run`, and programs that compare a
// board with the host ("shadow inference").
//
//   auto impulse = HostImpulse::open(bytes, "gestures.tmlm");
//   const auto result = impulse->run_window(readings);          // readings x axes, as the section says
//
// One thread at a time per object; smoothing is not applied: each window stands alone.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/model/host_model.hpp"
#include "common/model/impulse_section.hpp"

namespace tml::model {

struct WindowResult {
  std::vector<float> features;
  Bytes input;                ///< The tensor that entered the model; empty without a model.
  Bytes output;               ///< The tensor that left it.
  std::vector<float> scores;  ///< The output as real numbers; empty without a model.
  int label = -1;             ///< Index of the highest score that reaches the threshold; -1: uncertain, or no labels.
  std::optional<float> anomaly;
  bool is_anomaly = false;
};

/// Pixels as a camera gives them: rows from the top, `channels` bytes each (1 grey, 3 RGB).
struct Picture {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t channels = 0;
  std::vector<std::uint8_t> bytes;
};

struct RunSettings {
  Kernels kernels = Kernels::fast;
  std::function<void(const LayerTrace&)> trace;
};

class HostImpulse {
 public:
  /// Errors: those of HostModel::open() and read_impulse().
  [[nodiscard]] static Result<HostImpulse> open(Bytes package, std::string_view where);

  [[nodiscard]] const HostModel& model() const { return model_; }
  /// Nothing for a bare model.
  [[nodiscard]] const std::optional<ReadImpulse>& impulse() const { return impulse_; }
  [[nodiscard]] std::vector<std::string> labels() const;
  /// Values that run_window() takes: window x axes, or a bare model's input values; 0 for a camera.
  [[nodiscard]] std::size_t window_values() const;

  /// A bare model takes its input as real numbers and quantises them. Errc::usage for another number of values, or one
  /// that is not finite.
  [[nodiscard]] Result<WindowResult> run_window(std::span<const float> values, const RunSettings& settings = {});
  [[nodiscard]] Result<WindowResult> run_picture(const Picture& picture, const RunSettings& settings = {});
  /// The input tensor's own bytes: no signal processing, no anomaly detector but a reconstruction error.
  [[nodiscard]] Result<WindowResult> run_tensor(std::span<const std::uint8_t> input, const RunSettings& settings = {});

 private:
  explicit HostImpulse(HostModel model) : model_(std::move(model)) {}
  [[nodiscard]] Result<WindowResult> run_features(std::vector<float> features, const RunSettings& settings);
  [[nodiscard]] Result<void> run_network(WindowResult& result, const RunSettings& settings);

  HostModel model_;
  std::optional<ReadImpulse> impulse_;
};

}  // namespace tml::model
