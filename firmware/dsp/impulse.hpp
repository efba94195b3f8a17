// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The impulse section of a model package (common/wire/model_impulse.hpp), read in place. This is the one check: boards
// make it before they run a package, the compiler before it writes one, so that neither takes what the other refuses.
//
// Pure; no memory of its own; any thread. What an ImpulseSection points at stays the package's, which must outlive it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "common/wire/model_impulse.hpp"
#include "common/wire/model_package.hpp"
#include "firmware/dsp/anomaly.hpp"
#include "firmware/dsp/block.hpp"

namespace tml::fw::dsp {

inline constexpr std::uint8_t kMaxSmoothing = 32;  ///< Windows.
inline constexpr float kMinReadingsHz = 1e-3F;     ///< What an impulse file allows (docs/model-package.md).
inline constexpr float kMaxReadingsHz = 1e6F;

struct ImpulseSection {
  const wire::model::ImpulseHead* head = nullptr;  ///< Null: a bare model; its input values are the features.
  std::span<const BlockConfig> blocks;
  bool has_anomaly = false;  ///< `anomaly` is valid: k_means or mahalanobis. Reconstruction needs no fitted model.
  Anomaly anomaly;
  std::uint32_t features = 0;       ///< Of one window, 1 to wire::model::kMaxFeatures.
  std::uint32_t scratch_bytes = 0;  ///< Of the signal processing of one window; a camera's depends on its picture.

  [[nodiscard]] bool image() const { return head != nullptr && head->axis_count == 0; }
};

struct ImpulseRefusal {
  wire::model::Fault fault = wire::model::Fault::none;  ///< none, tensor or impulse.
  std::string_view why;                                 ///< Static text, without a full stop.
};

/// Values of a tensor; 0 for one that is not there.
[[nodiscard]] std::uint32_t elements(const wire::model::TensorFacts& tensor);

/// What a window of readings is to the signal processing; for images `width` x `height` pixels of `channels`.
[[nodiscard]] WindowFacts window_of(const wire::model::ImpulseHead& head, std::uint32_t width, std::uint32_t height,
                                    std::uint32_t channels);

/// Fills `into` from a view that open() gave; reads every field of the section as untrusted. Also for packages without
/// a section, which must then have a model.
[[nodiscard]] ImpulseRefusal read_impulse_section(const wire::model::View& view, ImpulseSection& into);

}  // namespace tml::fw::dsp
