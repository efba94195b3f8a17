// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// DEQUANTIZE int8 to float32.
#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn::ref {

using wire::model::QuantizeStep;

void dequantize(const std::uint8_t* record, const std::uint8_t*, std::uint8_t* arena) {
  const auto& s = as<QuantizeStep>(record);
  const auto* input = reinterpret_cast<const std::int8_t*>(arena + s.step.input);
  auto* output = reinterpret_cast<float*>(arena + s.step.output);
  for (std::size_t n = 0; n < s.count; ++n) output[n] = s.scale * static_cast<float>(input[n] - s.zero_point);
}

}  // namespace tml::fw::nn::ref
