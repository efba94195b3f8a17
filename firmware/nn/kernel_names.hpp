// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What people read in place of a kernel's number: in compiler reports, traces and AT+MODELINFO?.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "common/wire/model_steps.hpp"

namespace tml::fw::nn {

/// "conv_1x1"; "unknown" for a number that no kernel has.
[[nodiscard]] constexpr std::string_view kernel_name(wire::model::Kernel kernel) {
  constexpr std::array<std::string_view, 20> kNames{"none",
                                                    "conv_1x1",
                                                    "conv",
                                                    "depthwise",
                                                    "depthwise_multi",
                                                    "fully_connected",
                                                    "average_pool",
                                                    "max_pool",
                                                    "add",
                                                    "mul",
                                                    "mean",
                                                    "softmax",
                                                    "table",
                                                    "copy",
                                                    "fill",
                                                    "quantize",
                                                    "dequantize",
                                                    "conv_any",
                                                    "fully_connected_any",
                                                    "depthwise_3x3"};
  static_assert(kNames.size() == wire::model::kKernelCount);
  const auto n = static_cast<std::size_t>(kernel);
  return n < kNames.size() ? kNames[n] : std::string_view("unknown");
}

}  // namespace tml::fw::nn
