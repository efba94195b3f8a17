// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Weights, biases, multipliers and shifts in the order that the kernels read them: the layouts told in
// common/wire/model_steps.hpp, by the index functions of firmware/nn/layout.hpp. Pure functions of sizes that the
// caller has checked; `channels` has one entry per output channel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/wire/model_steps.hpp"

namespace tml::model {

using Channels = std::span<const wire::model::Channel>;

/// conv_1x1, conv, conv_any. `weights`: out x k as in the .tflite, k = kernel height x kernel width x input channels.
[[nodiscard]] std::vector<std::uint8_t> conv_layout(std::span<const std::int8_t> weights, std::size_t k,
                                                    Channels channels);

/// depthwise, depthwise_3x3, depthwise_multi. `weights`: out x taps (the .tflite has taps x out).
[[nodiscard]] std::vector<std::uint8_t> depthwise_layout(std::span<const std::int8_t> weights, std::size_t taps,
                                                         Channels channels);

/// fully_connected: all channels have one multiplier and shift. `weights`: out x in.
[[nodiscard]] std::vector<std::uint8_t> fully_connected_layout(std::span<const std::int8_t> weights, std::size_t in,
                                                               Channels channels);
/// fully_connected_any. `weights`: out x in.
[[nodiscard]] std::vector<std::uint8_t> fully_connected_any_layout(std::span<const std::int8_t> weights, std::size_t in,
                                                                   Channels channels);

}  // namespace tml::model
