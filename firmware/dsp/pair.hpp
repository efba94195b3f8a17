// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Complex numbers of two 16 bit halves in one word (real part below) and what a Cortex-M4 does with both at once; the
// same results in plain C++ elsewhere. Sums wrap, products are rounded to 15 bits.
#pragma once

#include <cstdint>
#include <cstring>

namespace tml::fw::dsp {

using Pair = std::uint32_t;

inline constexpr std::int32_t kRoundTo15 = 1 << 14;

[[nodiscard]] constexpr Pair pair_of(std::int32_t re, std::int32_t im) {
  return (static_cast<std::uint32_t>(re) & 0xFFFFU) | (static_cast<std::uint32_t>(im) << 16U);
}
[[nodiscard]] constexpr std::int32_t re_of(Pair z) { return static_cast<std::int16_t>(z & 0xFFFFU); }
[[nodiscard]] constexpr std::int32_t im_of(Pair z) { return static_cast<std::int16_t>(z >> 16U); }

[[nodiscard]] inline Pair load_pair(const std::int16_t* from) {
  Pair z = 0;
  std::memcpy(&z, from, sizeof z);
  return z;
}
inline void store_pair(std::int16_t* to, Pair z) { std::memcpy(to, &z, sizeof z); }

#if defined(__ARM_FEATURE_DSP)

/// Two 32 bit products to 15 bits, one in each half.
[[nodiscard]] inline Pair packed_15(std::int32_t re, std::int32_t im) {
  Pair z = 0;
  asm("pkhbt %0, %1, %2, lsl #1" : "=r"(z) : "r"(re >> 15), "r"(im));
  return z;
}
[[nodiscard]] inline Pair plus(Pair a, Pair b) {
  Pair z = 0;
  asm("sadd16 %0, %1, %2" : "=r"(z) : "r"(a), "r"(b));
  return z;
}
[[nodiscard]] inline Pair minus(Pair a, Pair b) {
  Pair z = 0;
  asm("ssub16 %0, %1, %2" : "=r"(z) : "r"(a), "r"(b));
  return z;
}
/// a - i b and a + i b.
[[nodiscard]] inline Pair minus_turned(Pair a, Pair b) {
  Pair z = 0;
  asm("ssax %0, %1, %2" : "=r"(z) : "r"(a), "r"(b));
  return z;
}
[[nodiscard]] inline Pair plus_turned(Pair a, Pair b) {
  Pair z = 0;
  asm("sasx %0, %1, %2" : "=r"(z) : "r"(a), "r"(b));
  return z;
}
[[nodiscard]] inline Pair times(Pair a, Pair w) {
  std::int32_t re = 0;
  std::int32_t im = 0;
  asm("smlsd %0, %1, %2, %3" : "=r"(re) : "r"(a), "r"(w), "r"(kRoundTo15));
  asm("smladx %0, %1, %2, %3" : "=r"(im) : "r"(a), "r"(w), "r"(kRoundTo15));
  return packed_15(re, im);
}
[[nodiscard]] inline Pair scaled(Pair a, std::int32_t factor) {
  std::int32_t re = 0;
  std::int32_t im = 0;
  asm("smlabb %0, %1, %2, %3" : "=r"(re) : "r"(a), "r"(factor), "r"(kRoundTo15));
  asm("smlatb %0, %1, %2, %3" : "=r"(im) : "r"(a), "r"(factor), "r"(kRoundTo15));
  return packed_15(re, im);
}

#else

[[nodiscard]] constexpr Pair packed_15(std::int32_t re, std::int32_t im) { return pair_of(re >> 15, im >> 15); }
[[nodiscard]] constexpr Pair plus(Pair a, Pair b) { return pair_of(re_of(a) + re_of(b), im_of(a) + im_of(b)); }
[[nodiscard]] constexpr Pair minus(Pair a, Pair b) { return pair_of(re_of(a) - re_of(b), im_of(a) - im_of(b)); }
/// a - i b and a + i b.
[[nodiscard]] constexpr Pair minus_turned(Pair a, Pair b) { return pair_of(re_of(a) + im_of(b), im_of(a) - re_of(b)); }
[[nodiscard]] constexpr Pair plus_turned(Pair a, Pair b) { return pair_of(re_of(a) - im_of(b), im_of(a) + re_of(b)); }
[[nodiscard]] constexpr Pair times(Pair a, Pair w) {
  return packed_15(re_of(a) * re_of(w) - im_of(a) * im_of(w) + kRoundTo15,
                   re_of(a) * im_of(w) + im_of(a) * re_of(w) + kRoundTo15);
}
[[nodiscard]] constexpr Pair scaled(Pair a, std::int32_t factor) {
  return packed_15(re_of(a) * factor + kRoundTo15, im_of(a) * factor + kRoundTo15);
}

#endif

}  // namespace tml::fw::dsp
