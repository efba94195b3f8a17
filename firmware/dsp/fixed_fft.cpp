// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/fixed_fft.hpp"

#include <array>

#include "firmware/dsp/block.hpp"
#include "firmware/dsp/pair.hpp"
#include "firmware/dsp/tables.hpp"

namespace tml::fw::dsp {
namespace {

constexpr std::uint32_t kQuarter = kMaxFft / 4;

constexpr auto kCosine = [] {
  std::array<std::int16_t, kQuarter + 1> table{};
  for (std::uint32_t k = 0; k < kQuarter; ++k) {
    table[k] = static_cast<std::int16_t>(32767.0 * compiled_cos(2.0 * kCompiledPi * k / kMaxFft) + 0.5);
  }
  return table;
}();

// Dividing by the radix, as kissfft does it.
constexpr std::int32_t kHalf = 32767 / 2;
constexpr std::int32_t kFourth = 32767 / 4;

// e^(-2 pi i k / 4096): in the first quarter, and below three quarters of the turn.
[[gnu::always_inline]] inline Pair near_twiddle(std::uint32_t k) { return pair_of(kCosine[k], -kCosine[kQuarter - k]); }
[[gnu::always_inline]] inline Pair twiddle(std::uint32_t k) {
  if (k <= kQuarter) return near_twiddle(k);
  if (k <= 2 * kQuarter) return pair_of(-kCosine[2 * kQuarter - k], -kCosine[k - kQuarter]);
  return pair_of(-kCosine[k - 2 * kQuarter], kCosine[3 * kQuarter - k]);
}

void reorder(std::int16_t* z, std::uint32_t points) {
  std::uint32_t reversed = 0;
  for (std::uint32_t i = 0; i < points; ++i) {
    if (i < reversed) {
      const Pair held = load_pair(z + 2 * i);
      store_pair(z + 2 * i, load_pair(z + 2 * reversed));
      store_pair(z + 2 * reversed, held);
    }
    std::uint32_t bit = points >> 1U;
    while ((reversed & bit) != 0) {
      reversed ^= bit;
      bit >>= 1U;
    }
    reversed |= bit;
  }
}

// Bit reversed order has the readings 0, 2, 1 and 3 modulo 4 one after another.
void radix_4(std::int16_t* z, std::int16_t* end, std::uint32_t step, Pair w1, Pair w2, Pair w3) {
  for (; z < end; z += 8 * step) {
    const Pair a = scaled(load_pair(z), kFourth);
    const Pair b = times(scaled(load_pair(z + 4 * step), kFourth), w1);
    const Pair c = times(scaled(load_pair(z + 2 * step), kFourth), w2);
    const Pair d = times(scaled(load_pair(z + 6 * step), kFourth), w3);
    const Pair s = plus(a, c);
    const Pair t = minus(a, c);
    const Pair u = plus(b, d);
    const Pair v = minus(b, d);
    store_pair(z, plus(s, u));
    store_pair(z + 2 * step, minus_turned(t, v));
    store_pair(z + 4 * step, minus(s, u));
    store_pair(z + 6 * step, plus_turned(t, v));
  }
}

void complex_fft(std::int16_t* z, std::uint32_t points) {
  reorder(z, points);
  std::int16_t* const end = z + 2 * points;
  std::uint32_t length = 1;
  if ((points & 0x55555555U) == 0) {
    for (std::int16_t* at = z; at < end; at += 4) {
      const Pair a = scaled(load_pair(at), kHalf);
      const Pair b = times(scaled(load_pair(at + 2), kHalf), near_twiddle(0));
      store_pair(at, plus(a, b));
      store_pair(at + 2, minus(a, b));
    }
    length = 2;
  }
  while (length < points) {
    const std::uint32_t step = length;
    length *= 4;
    const std::uint32_t turn = kMaxFft / length;
    for (std::uint32_t k = 0; k < step; ++k) {
      radix_4(z + 2 * k, end, step, near_twiddle(k * turn), twiddle(2 * k * turn), twiddle(3 * k * turn));
    }
  }
}

}  // namespace

void fixed_fft(std::span<std::int16_t> x) {
  const auto points = static_cast<std::uint32_t>(x.size() / 2);
  std::int16_t* const z = x.data();
  complex_fft(z, points);

  const Pair first = scaled(load_pair(z), kHalf);
  store_pair(z, pair_of(re_of(first) + im_of(first), re_of(first) - im_of(first)));
  const std::uint32_t turn = kMaxFft / (2 * points);
  for (std::uint32_t k = 1; k <= points / 2; ++k) {
    std::int16_t* const low = z + 2 * k;
    std::int16_t* const high = z + 2 * (points - k);
    const Pair mirror = load_pair(high);
    const Pair a = scaled(load_pair(low), kHalf);
    const Pair b = scaled(pair_of(re_of(mirror), -im_of(mirror)), kHalf);
    const Pair even = plus(a, b);
    // e^(-i (pi k / points + pi / 2)) = -i times the twiddle
    const Pair odd = times(minus(a, b), pair_of(-kCosine[kQuarter - k * turn], -kCosine[k * turn]));
    store_pair(low, pair_of((re_of(even) + re_of(odd)) >> 1, (im_of(even) + im_of(odd)) >> 1));
    store_pair(high, pair_of((re_of(even) - re_of(odd)) >> 1, (im_of(odd) - im_of(even)) >> 1));
  }
}

}  // namespace tml::fw::dsp
