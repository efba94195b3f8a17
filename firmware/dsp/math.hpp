// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The few functions that C libraries disagree on, in float32 with one order of operations: the same bits on every IEEE
// machine that neither contracts nor flushes subnormals. Polynomials: Cephes, single precision (S. L. Moshier, netlib),
// each within 2 units in the last place over the ranges given (docs/dsp.md has the measured errors).
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace tml::fw::dsp {

inline constexpr float kPi = 3.14159265358979F;

/// Correctly rounded on both (IEEE 754; VSQRT.F32 on the board).
[[nodiscard]] inline float root(float x) { return __builtin_sqrtf(x); }

/// Neither infinite nor a number that is none; by its bits, so that no compiler flag removes it.
[[nodiscard]] inline bool finite(float x) { return (std::bit_cast<std::uint32_t>(x) & 0x7F800000U) != 0x7F800000U; }
[[nodiscard]] bool all_finite(std::span<const float> values);

/// Natural logarithm; x below 2^-126 counts as 2^-126, x is finite.
[[nodiscard]] float ln(float x);
/// Base ten: ln(x) x 0.4342945.
[[nodiscard]] float log10(float x);
/// 2^x, x limited to -126 .. 127.
[[nodiscard]] float exp2(float x);
/// e^x = 2^(x x 1.442695), as exp2.
[[nodiscard]] float exp(float x);
/// x^y for x > 0 and |y| <= 1: relative error below 4e-7.
[[nodiscard]] float power(float x, float y);

/// cos and sin of 2 pi n / d; the reduction is done in whole numbers, so it is exact. n < d <= 2^26.
[[nodiscard]] float cos_turn(std::uint32_t n, std::uint32_t d);
[[nodiscard]] float sin_turn(std::uint32_t n, std::uint32_t d);
/// tan(pi x) for 0 <= x < 0.5.
[[nodiscard]] float tan_half_turns(float x);

/// Mel scale of HTK and of TensorFlow's front end: 1127 ln(1 + f / 700), and back.
[[nodiscard]] float mel_of(float hz);
[[nodiscard]] float hz_of(float mel);

}  // namespace tml::fw::dsp
