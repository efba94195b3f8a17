// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A model package understood as an impulse: sensor -> window -> signal processing -> model and/or anomaly score ->
// smoothed result. open_impulse() checks the impulse section against the package; bind_impulse() checks it against the
// board. Neither runs anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "common/wire/model_impulse.hpp"
#include "common/wire/model_package.hpp"
#include "firmware/app/board.hpp"
#include "firmware/app/text.hpp"
#include "firmware/dsp/anomaly.hpp"
#include "firmware/dsp/block.hpp"

namespace tml::fw::app {

/// Points into the package, which must outlive it.
struct Impulse {
  wire::model::View package;
  const wire::model::ImpulseHead* head = nullptr;  ///< Null: a bare model; its input values are the features.
  std::span<const dsp::BlockConfig> blocks;
  bool has_anomaly = false;  ///< `anomaly` is valid: k_means or mahalanobis. Reconstruction needs no fitted model.
  dsp::Anomaly anomaly;
  std::uint32_t features = 0;       ///< Of one window, 1 to wire::model::kMaxFeatures.
  std::uint32_t scratch_bytes = 0;  ///< Of the signal processing of one window; a camera's depends on its picture.

  [[nodiscard]] bool has_model() const { return package.header().step_count > 0; }
  [[nodiscard]] bool image() const { return head != nullptr && head->axis_count == 0; }
  /// Values of one window: readings x axes; for images pixels, each one packed value (wire reference 1.13 through
  /// docs/impulse.md).
  [[nodiscard]] std::uint32_t window_values() const;
  [[nodiscard]] std::string_view sensor_name() const;
  /// Values of the model's output; 0 without a model.
  [[nodiscard]] std::uint32_t outputs() const;
  /// What a window is to the signal processing. `picture`: for images, what the camera gives.
  [[nodiscard]] dsp::WindowFacts window(hal::CameraResolution picture = {}, std::uint32_t channels = 0) const;
};

struct ImpulseRefusal {
  wire::model::Fault fault = wire::model::Fault::none;
  std::string_view why;  ///< Static text.
};

/// Fills `into` from a view whose container was checked; reads every field of the section as untrusted.
[[nodiscard]] ImpulseRefusal open_impulse(const wire::model::View& view, Impulse& into);

/// Where an impulse's readings come from on this board.
struct Source {
  hal::Sensor* sensor = nullptr;  ///< Or
  hal::Camera* camera = nullptr;  ///< this one, or neither (no impulse section).
  hal::CameraResolution picture;  ///< The smallest that is at least as large as the model's image, else the largest.
};

/// Finds the sensor and checks its axes and rate. False: `reason` says what is missing.
[[nodiscard]] bool bind_impulse(const Impulse& impulse, const Board& board, Source& source, Line& reason);

}  // namespace tml::fw::app
