// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// What ADD and MUL have in common: broadcasting over up to four dimensions. Internal.
#pragma once

#include <cstddef>
#include <cstdint>

#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn::ref {

/// Calls `combine(a, b) -> std::int8_t` for every output value in order.
template <typename Combine>
void for_each_pair(const wire::model::BinaryStep& s, const std::uint8_t* constants, std::uint8_t* arena,
                   const Combine& combine) {
  const std::uint8_t* base2 = (s.step.flags & wire::model::kConstantOperand) != 0 ? constants : arena;
  const auto* a = reinterpret_cast<const std::int8_t*>(arena + s.step.input);
  const auto* b = reinterpret_cast<const std::int8_t*>(base2 + s.input2);
  auto* output = reinterpret_cast<std::int8_t*>(arena + s.step.output);
  if ((s.step.flags & wire::model::kSameShape) != 0) {
    const std::size_t count = std::size_t{s.shape[0]} * s.shape[1] * s.shape[2] * s.shape[3];
    for (std::size_t n = 0; n < count; ++n) output[n] = combine(a[n], b[n]);
    return;
  }
  const auto offset = [](const std::array<std::uint32_t, 4>& stride, std::size_t i0, std::size_t i1, std::size_t i2,
                         std::size_t i3) { return i0 * stride[0] + i1 * stride[1] + i2 * stride[2] + i3 * stride[3]; };
  for (std::size_t i0 = 0; i0 < s.shape[0]; ++i0)
    for (std::size_t i1 = 0; i1 < s.shape[1]; ++i1)
      for (std::size_t i2 = 0; i2 < s.shape[2]; ++i2)
        for (std::size_t i3 = 0; i3 < s.shape[3]; ++i3)
          *output++ = combine(a[offset(s.stride1, i0, i1, i2, i3)], b[offset(s.stride2, i0, i1, i2, i3)]);
}

}  // namespace tml::fw::nn::ref
