// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/m4/clamp.hpp"

namespace tml::fw::nn::m4 {

void clamp(std::int8_t* begin, const std::int8_t* end, int minimum, int maximum) {
  if (!clamps(minimum, maximum)) return;
  for (; begin != end; ++begin) {
    const int value = *begin;
    *begin = static_cast<std::int8_t>(value < minimum ? minimum : value > maximum ? maximum : value);
  }
}

}  // namespace tml::fw::nn::m4
