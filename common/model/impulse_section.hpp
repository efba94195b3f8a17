// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The impulse section of a package (common/wire/model_impulse.hpp): written from an impulse file, and read back with
// the check that a board makes. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/base/error.hpp"
#include "common/model/compile.hpp"
#include "common/model/impulse_file.hpp"
#include "common/wire/model_package.hpp"
#include "firmware/dsp/impulse.hpp"

namespace tml::model {

/// What an impulse makes of one window, for so many axes (0: a camera).
struct ImpulseFacts {
  std::uint32_t axes = 0;
  std::uint32_t features = 0;
  std::uint32_t scratch_bytes = 0;
};

/// Checks the blocks. `axes`: of the window; for a camera of the picture as the model sees it. Errc::usage.
[[nodiscard]] Result<ImpulseFacts> impulse_facts(const ImpulseSpec& spec, std::uint32_t axes, std::string_view where);

/// Chooses the number of axes: as the file says; else as many as give `model_inputs` features (0: no model); else
/// `recorded` (0: unknown). Errc::usage where nothing fits.
[[nodiscard]] Result<ImpulseFacts> choose_axes(const ImpulseSpec& spec, std::uint32_t model_inputs,
                                               std::uint32_t recorded, std::string_view where);

/// The section's bytes. `anomaly`: a fitted model (firmware/dsp/anomaly.hpp), or empty. `anomaly_threshold`: for
/// reconstruction; else the fitted model's.
[[nodiscard]] Bytes write_impulse(const ImpulseSpec& spec, const ImpulseFacts& facts,
                                  std::span<const std::uint8_t> anomaly, float anomaly_threshold);

/// Points into the package, which must outlive it.
using ReadImpulse = fw::dsp::ImpulseSection;

/// The board's own check (firmware/dsp/impulse.hpp); `head` is null for a bare model. Errc::malformed.
[[nodiscard]] Result<ReadImpulse> read_impulse(const wire::model::View& view, std::string_view where);

}  // namespace tml::model
