// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The inner products of the host kernels. Each exists in plain C++, and for AVX2, chosen when the program runs; sums
// wrap at 32 bits, so that every order of summation gives the same result. Internal to firmware/nn/fast.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tml::fw::nn::fast {

/// A pair of output channels. `weights`: four of the even channel, four of the odd one, and so on; `values`: four of
/// the window, the same four again, and so on; both `count` long (multiple of 8).
struct Pair {
  std::int32_t even = 0;
  std::int32_t odd = 0;
};
using PairDot = Pair (*)(const std::uint8_t* weights, const std::int16_t* values, std::size_t count);
[[nodiscard]] PairDot pair_dot();

/// Four rows of a fully connected layer. `weights`: four of each row in turn for k = 0, 4, ...; `values`: `k` of them,
/// the weights are 0 from there up to the next multiple of four.
struct Four {
  std::int32_t row[4] = {};
};
using FourDot = Four (*)(const std::uint8_t* weights, const std::int8_t* values, std::size_t k);
[[nodiscard]] FourDot four_dot();

}  // namespace tml::fw::nn::fast
