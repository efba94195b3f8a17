// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/fft.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "firmware/dsp/block.hpp"
#include "firmware/dsp/tables.hpp"

namespace tml::fw::dsp {
namespace {

constexpr std::uint32_t kQuarter = kMaxFft / 4;

// cos(2 pi k / 4096), k = 0 .. 1024; made by the compiler in double precision.
constexpr auto kCosine = [] {
  std::array<float, kQuarter + 1> table{};
  for (std::uint32_t k = 0; k < kQuarter; ++k) {
    table[k] = static_cast<float>(compiled_cos(2.0 * kCompiledPi * k / kMaxFft));
  }
  return table;
}();

struct Complex {
  float re;
  float im;
};

// e^(-2 pi i k / 4096): in the first quarter, and below three quarters of the turn.
[[gnu::always_inline]] inline Complex near_twiddle(std::uint32_t k) { return {kCosine[k], -kCosine[kQuarter - k]}; }
[[gnu::always_inline]] inline Complex twiddle(std::uint32_t k) {
  if (k <= kQuarter) return near_twiddle(k);
  if (k <= 2 * kQuarter) return {-kCosine[2 * kQuarter - k], -kCosine[k - kQuarter]};
  return {-kCosine[k - 2 * kQuarter], kCosine[3 * kQuarter - k]};
}

[[gnu::always_inline]] inline Complex times(Complex a, Complex w) {
  return {a.re * w.re - a.im * w.im, a.re * w.im + a.im * w.re};
}

void reorder(Complex* z, std::uint32_t points) {
  std::uint32_t reversed = 0;
  for (std::uint32_t i = 0; i < points; ++i) {
    if (i < reversed) std::swap(z[i], z[reversed]);
    std::uint32_t bit = points >> 1U;
    while ((reversed & bit) != 0) {
      reversed ^= bit;
      bit >>= 1U;
    }
    reversed |= bit;
  }
}

void first_stage_2(Complex* z, std::uint32_t points) {
  for (std::uint32_t i = 0; i < points; i += 2) {
    const Complex a = z[i];
    const Complex b = z[i + 1];
    z[i] = {a.re + b.re, a.im + b.im};
    z[i + 1] = {a.re - b.re, a.im - b.im};
  }
}

// Combines the transforms a, b, c, d of the readings 0, 1, 2 and 3 modulo 4.
[[gnu::always_inline]] inline void butterfly(Complex* z, std::uint32_t step, Complex b, Complex c, Complex d) {
  const Complex a = z[0];
  const Complex s = {a.re + c.re, a.im + c.im};
  const Complex t = {a.re - c.re, a.im - c.im};
  const Complex u = {b.re + d.re, b.im + d.im};
  const Complex v = {b.re - d.re, b.im - d.im};
  z[0] = {s.re + u.re, s.im + u.im};
  z[step] = {t.re + v.im, t.im - v.re};
  z[2 * step] = {s.re - u.re, s.im - u.im};
  z[3 * step] = {t.re - v.im, t.im + v.re};
}

// Bit reversed order puts the transforms of one group as 0, 2, 1, 3.
void complex_fft(Complex* z, std::uint32_t points) {
  reorder(z, points);
  std::uint32_t length = 1;
  if ((points & 0x55555555U) == 0) {
    first_stage_2(z, points);
    length = 2;
  }
  while (length < points) {
    const std::uint32_t step = length;
    length *= 4;
    for (std::uint32_t at = 0; at < points; at += length) {
      Complex* const group = z + at;
      butterfly(group, step, group[2 * step], group[step], group[3 * step]);
    }
    const std::uint32_t turn = kMaxFft / length;
    for (std::uint32_t k = 1; k < step; ++k) {
      const Complex w1 = near_twiddle(k * turn);
      const Complex w2 = twiddle(2 * k * turn);
      const Complex w3 = twiddle(3 * k * turn);
      for (std::uint32_t at = k; at < points; at += length) {
        Complex* const group = z + at;
        butterfly(group, step, times(group[2 * step], w1), times(group[step], w2), times(group[3 * step], w3));
      }
    }
  }
}

}  // namespace

void real_fft(std::span<float> x) {
  const auto points = static_cast<std::uint32_t>(x.size() / 2);
  auto* const z = reinterpret_cast<Complex*>(x.data());
  complex_fft(z, points);

  const Complex first = z[0];
  z[0] = {first.re + first.im, first.re - first.im};
  const std::uint32_t turn = kMaxFft / (2 * points);
  for (std::uint32_t k = 1; k <= points / 2; ++k) {
    const Complex a = z[k];
    const Complex b = z[points - k];
    const Complex even = {0.5F * (a.re + b.re), 0.5F * (a.im - b.im)};
    const Complex odd = {0.5F * (a.im + b.im), 0.5F * (b.re - a.re)};
    const Complex turned = times(odd, near_twiddle(k * turn));
    z[k] = {even.re + turned.re, even.im + turned.im};
    z[points - k] = {even.re - turned.re, turned.im - even.im};
  }
}

void power_spectrum(std::span<const float> x, float norm, std::span<float> power) {
  const std::size_t half = x.size() / 2;
  power[0] = x[0] * x[0] * norm;
  power[half] = x[1] * x[1] * norm;
  for (std::size_t k = 1; k < half; ++k) power[k] = (x[2 * k] * x[2 * k] + x[2 * k + 1] * x[2 * k + 1]) * norm;
}

}  // namespace tml::fw::dsp
