// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// AVERAGE_POOL_2D: the mean of the window's values inside the input, halves away from zero. Input and output have one
// quantisation.
#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/ref/pool.hpp"

namespace tml::fw::nn::ref {

using wire::model::PoolStep;

void average_pool(const std::uint8_t* record, const std::uint8_t*, std::uint8_t* arena) {
  const auto& s = as<PoolStep>(record);
  for_each_window(s, arena,
                  [&s](const std::int8_t* first, std::size_t rows, std::size_t columns, std::size_t row_stride,
                       std::size_t pixel_stride) {
                    std::int32_t sum = 0;
                    for (std::size_t y = 0; y < rows; ++y)
                      for (std::size_t x = 0; x < columns; ++x) sum += first[y * row_stride + x * pixel_stride];
                    const auto count = static_cast<std::int32_t>(rows * columns);
                    const std::int32_t half = sum > 0 ? count / 2 : -(count / 2);
                    return clamp_to((sum + half) / count, s.minimum, s.maximum);
                  });
}

}  // namespace tml::fw::nn::ref
