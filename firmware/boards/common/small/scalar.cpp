// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/common/small/scalar.hpp"

#include <algorithm>
#include <array>

namespace tml::fw::boards {
namespace {

using Words = std::array<std::uint32_t, 8>;  // little endian
constexpr Words kOrder{0x5cf5d3ed, 0x5812631a, 0xa2f79cd6, 0x14def9de, 0, 0, 0, 0x10000000};

void double_and_add(Words& value, std::uint32_t bit) {
  for (std::uint32_t& word : value) {
    const std::uint32_t top = word >> 31U;
    word = word << 1U | bit;
    bit = top;
  }
}

// What is left after taking the order away; false when it was less.
bool subtract_order(const Words& value, Words& left) {
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::uint64_t difference = std::uint64_t{value[i]} - kOrder[i] - borrow;
    left[i] = static_cast<std::uint32_t>(difference);
    borrow = difference >> 63U;
  }
  return borrow == 0;
}

}  // namespace

// Long division: the remainder is below the order, so doubled and with a bit more it still fits, and loses at most one
// order.
void reduce_scalar(std::span<std::uint8_t, 64> number) {
  Words rest{};
  for (unsigned at = 512; at-- > 0;) {
    double_and_add(rest, number[at / 8] >> (at % 8) & 1U);
    Words less{};
    if (subtract_order(rest, less)) rest = less;
  }
  std::fill(number.begin(), number.end(), std::uint8_t{0});
  for (std::size_t i = 0; i < 32; ++i) number[i] = static_cast<std::uint8_t>(rest[i / 4] >> (i % 4 * 8));
}

}  // namespace tml::fw::boards
