// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Functions for tables that the compiler makes: double precision series, never called on the board.
#pragma once

namespace tml::fw::dsp {

inline constexpr double kCompiledPi = 3.14159265358979323846;

/// Taylor series; below 1e-15 of the truth for |x| <= pi / 2.
[[nodiscard]] constexpr double compiled_cos(double x) {
  double term = 1.0;
  double sum = 1.0;
  for (int i = 1; i <= 12; ++i) {
    term *= -x * x / ((2.0 * i - 1.0) * (2.0 * i));
    sum += term;
  }
  return sum;
}

/// log2(1 + x) for 0 <= x <= 1, by the series of the inverse hyperbolic tangent.
[[nodiscard]] constexpr double compiled_log2_1p(double x) {
  const double y = x / (2.0 + x);
  double power = y;
  double sum = 0.0;
  for (int i = 1; i < 60; i += 2) {
    sum += power / i;
    power *= y * y;
  }
  return 2.0 * sum / 0.69314718055994530942;
}

}  // namespace tml::fw::dsp
