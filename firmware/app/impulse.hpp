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
#include "firmware/dsp/impulse.hpp"

namespace tml::fw::app {

/// Points into the package, which must outlive it.
struct Impulse : dsp::ImpulseSection {
  wire::model::View package;

  [[nodiscard]] bool has_model() const { return package.header().step_count > 0; }
  /// Values of one window: readings x axes; for images pixels, each one packed value (wire reference 1.13 through
  /// docs/impulse.md).
  [[nodiscard]] std::uint32_t window_values() const;
  [[nodiscard]] std::string_view sensor_name() const;
  /// Values of the model's output; 0 without a model.
  [[nodiscard]] std::uint32_t outputs() const;
  /// What a window is to the signal processing. `picture`: for images, what the camera gives.
  [[nodiscard]] dsp::WindowFacts window(hal::CameraResolution picture = {}, std::uint32_t channels = 0) const;
};

using ImpulseRefusal = dsp::ImpulseRefusal;

/// Fills `into` from a view whose container was checked, with the check that the compiler makes too
/// (firmware/dsp/impulse.hpp).
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
