// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// MEAN over any set of up to four dimensions.
#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn::ref {

using wire::model::MeanStep;

void mean(const std::uint8_t* record, const std::uint8_t*, std::uint8_t* arena) {
  const auto& s = as<MeanStep>(record);
  const auto* input = reinterpret_cast<const std::int8_t*>(arena + s.step.input);
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  std::array<std::size_t, 4> stride{};
  std::array<std::size_t, 4> kept{};     // what an output index runs over
  std::array<std::size_t, 4> reduced{};  // what a sum runs over
  std::size_t size = 1;
  for (std::size_t d = 4; d-- > 0; size *= s.shape[d]) {
    const bool gone = (s.axes >> d & 1) != 0;
    stride[d] = size;
    kept[d] = gone ? 1 : s.shape[d];
    reduced[d] = gone ? s.shape[d] : 1;
  }
  const auto for_each = [&stride](const std::array<std::size_t, 4>& extent, const auto& visit) {
    for (std::size_t i0 = 0; i0 < extent[0]; ++i0)
      for (std::size_t i1 = 0; i1 < extent[1]; ++i1)
        for (std::size_t i2 = 0; i2 < extent[2]; ++i2)
          for (std::size_t i3 = 0; i3 < extent[3]; ++i3)
            visit(i0 * stride[0] + i1 * stride[1] + i2 * stride[2] + i3 * stride[3]);
  };
  const auto count = static_cast<std::int32_t>(s.count);
  for_each(kept, [&](std::size_t first) {
    std::int32_t sum = 0;
    for_each(reduced, [&](std::size_t offset) { sum += input[first + offset]; });
    if ((s.step.flags & wire::model::kPlainMean) != 0) {
      *output++ = static_cast<std::int8_t>(sum / count);
      return;
    }
    const std::int32_t scaled = scale_fixed(sum - s.input_zero * count, s.multiplier, s.shift);
    *output++ = clamp_to(wrap_add(scaled, s.output_zero), -128, 127);
  });
}

}  // namespace tml::fw::nn::ref
