// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Single instructions of the Cortex-M4 that a compiler does not find by itself.
#pragma once

#include <cstdint>

namespace tml::fw::nn::m4 {

/// Bytes 0 and 2, each sign-extended to 16 bits.
[[nodiscard]] inline std::uint32_t sxtb16(std::uint32_t word) {
  std::uint32_t pair;
  asm("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
  return pair;
}
/// Bytes 1 and 3.
[[nodiscard]] inline std::uint32_t sxtb16_odd(std::uint32_t word) {
  std::uint32_t pair;
  asm("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
  return pair;
}
/// Both halves: sum + the sign-extended bytes 0 and 2, or 1 and 3.
[[nodiscard]] inline std::uint32_t sxtab16(std::uint32_t sum, std::uint32_t word) {
  asm("sxtab16 %0, %0, %1" : "+r"(sum) : "r"(word));
  return sum;
}
[[nodiscard]] inline std::uint32_t sxtab16_odd(std::uint32_t sum, std::uint32_t word) {
  asm("sxtab16 %0, %0, %1, ror #8" : "+r"(sum) : "r"(word));
  return sum;
}

/// The greater of each pair of signed bytes.
[[nodiscard]] inline std::uint32_t greater_bytes(std::uint32_t a, std::uint32_t b) {
  std::uint32_t greater;
  asm("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(greater) : "r"(a), "r"(b));
  return greater;
}

}  // namespace tml::fw::nn::m4
