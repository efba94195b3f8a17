// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Signal processing on the host: the firmware's own blocks over a window in memory, so that the features are those that
// a board computes, bit for bit. Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/error.hpp"
#include "firmware/dsp/block.hpp"

namespace tml::model {

/// `values`: readings x axes of the window. No blocks: the values themselves. Errc::usage where a block refuses.
[[nodiscard]] Result<std::vector<float>> compute_features(std::span<const fw::dsp::BlockConfig> blocks,
                                                          const fw::dsp::WindowFacts& window,
                                                          std::span<const float> values);

}  // namespace tml::model
