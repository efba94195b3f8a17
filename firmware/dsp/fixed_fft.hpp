// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Real transform of 16 bit numbers with the roundings of kissfft (M. Borgerding, FIXED_POINT=16) as TensorFlow's micro
// front end uses it: the values of a stage are divided by its radix, so the result is X[k] / N. Products are rounded to
// 15 bits. Twiddles: a quarter wave of 4096 points in 16 bits (2,050 bytes of flash).
#pragma once

#include <cstdint>
#include <span>

namespace tml::fw::dsp {

/// `x`: N = 16 .. 4096 values, a power of two. On return X[k] / N = x[2k] + i x[2k + 1] for 0 < k < N / 2; x[0] holds
/// X[0] / N and x[1] X[N / 2] / N, both real.
void fixed_fft(std::span<std::int16_t> x);

}  // namespace tml::fw::dsp
