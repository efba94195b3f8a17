// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// A strided block of up to four dimensions; a last dimension without gaps on both sides is moved as a whole.
#include <cstring>

#include "firmware/nn/kernels.hpp"

namespace tml::fw::nn::ref {

using wire::model::CopyStep;

void copy(const std::uint8_t* record, const std::uint8_t* constants, std::uint8_t* arena) {
  const auto& s = as<CopyStep>(record);
  const std::uint8_t* input = (s.constant != 0 ? constants : arena) + s.step.input;
  std::uint8_t* output = arena + s.step.output;
  const int run = s.in_stride[3] == 1 && s.out_stride[3] == 1 ? s.shape[3] : 1;
  const std::size_t bytes = static_cast<std::size_t>(run) * s.element;
  const auto offset = [&s](const std::array<std::int32_t, 4>& stride, int i0, int i1, int i2, int i3) {
    return static_cast<std::ptrdiff_t>((std::int64_t{i0} * stride[0] + std::int64_t{i1} * stride[1] +
                                        std::int64_t{i2} * stride[2] + std::int64_t{i3} * stride[3]) *
                                       s.element);
  };
  for (int i0 = 0; i0 < s.shape[0]; ++i0)
    for (int i1 = 0; i1 < s.shape[1]; ++i1)
      for (int i2 = 0; i2 < s.shape[2]; ++i2)
        for (int i3 = 0; i3 < s.shape[3]; i3 += run)
          std::memcpy(output + offset(s.out_stride, i0, i1, i2, i3), input + offset(s.in_stride, i0, i1, i2, i3),
                      bytes);
}

}  // namespace tml::fw::nn::ref
