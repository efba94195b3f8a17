// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// QUANTIZE float32 to int8. The reference's result for a value that int32 does not hold is undefined; here it
// saturates, and what is not a number becomes the zero point.
#include <cmath>

#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn::ref {

using wire::model::QuantizeStep;

void quantize(const std::uint8_t* record, const std::uint8_t*, std::uint8_t* arena) {
  constexpr float kFarthest = 1024.0F;  // beyond this every zero point saturates
  const auto& s = as<QuantizeStep>(record);
  const auto* input = reinterpret_cast<const float*>(arena + s.step.input);
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  for (std::size_t n = 0; n < s.count; ++n) {
    const float scaled = input[n] / s.scale;
    std::int32_t value = 0;
    if (scaled >= kFarthest)
      value = static_cast<std::int32_t>(kFarthest);
    else if (scaled <= -kFarthest)
      value = -static_cast<std::int32_t>(kFarthest);
    else if (scaled == scaled)
      value = static_cast<std::int32_t>(std::round(scaled));
    output[n] = clamp_to(value + s.zero_point, -128, 127);
  }
}

}  // namespace tml::fw::nn::ref
