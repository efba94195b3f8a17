// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Real discrete Fourier transform in place: X[k] = sum x[n] e^(-2 pi i k n / N), not scaled. Radix 4 (one radix 2 stage
// for odd powers) over N / 2 complex points, then the split of two interleaved real halves (W. H. Press et al.,
// Numerical Recipes, "FFT of real functions"). Twiddles: one quarter wave of 4096 points in flash (4,100 bytes).
#pragma once

#include <span>

namespace tml::fw::dsp {

/// `x`: N = 16 .. 4096 values, a power of two (the caller has checked). On return X[0] and X[N/2], both real, are in
/// x[0] and x[1]; X[k] = x[2k] + i x[2k + 1] for 0 < k < N/2.
void real_fft(std::span<float> x);

/// |X[k]|^2 x norm, k = 0 .. N/2, of real_fft()'s result; `power` has N/2 + 1 values and may not overlap x.
void power_spectrum(std::span<const float> x, float norm, std::span<float> power);

}  // namespace tml::fw::dsp
