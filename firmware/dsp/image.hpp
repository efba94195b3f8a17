// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A picture at the size of a model's input: bilinear interpolation between pixel centres, crop or borders, grey or RGB.
#pragma once

#include <cstdint>
#include <span>

#include "firmware/dsp/block.hpp"
#include "firmware/dsp/scratch.hpp"

namespace tml::fw::dsp {

struct ImagePlan {
  ImagePlan(const WindowFacts& window, Scratch& scratch);
  std::span<float> upper;  // two rows of the source
  std::span<float> lower;
};

[[nodiscard]] Status run_image(const BlockConfig& config, const WindowFacts& window, Signal& signal,
                               std::span<float> features, const ImagePlan& plan);

}  // namespace tml::fw::dsp
