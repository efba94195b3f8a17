// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// MAX_POOL_2D: the largest of the window's values inside the input. Input and output have one quantisation.
#include "firmware/nn/fixed_point.hpp"
#include "firmware/nn/ref/pool.hpp"

namespace tml::fw::nn::ref {

using wire::model::PoolStep;

void max_pool(const std::uint8_t* record, const std::uint8_t*, std::uint8_t* arena) {
  const auto& s = as<PoolStep>(record);
  for_each_window(s, arena,
                  [&s](const std::int8_t* first, std::size_t rows, std::size_t columns, std::size_t row_stride,
                       std::size_t pixel_stride) {
                    std::int8_t most = -128;
                    for (std::size_t y = 0; y < rows; ++y)
                      for (std::size_t x = 0; x < columns; ++x)
                        most = std::max(most, first[y * row_stride + x * pixel_stride]);
                    return clamp_to(most, s.minimum, s.maximum);
                  });
}

}  // namespace tml::fw::nn::ref
