// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/nn/fast/dot.hpp"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tml::fw::nn::fast {
namespace {

std::int32_t wrap(std::uint32_t sum) { return static_cast<std::int32_t>(sum); }

// Products of int8 and int16 that holds an int8 fit in 16 bits: only the sums can wrap, and unsigned ones do.
Pair pair_plain(const std::uint8_t* weights, const std::int16_t* values, std::size_t count) {
  std::uint32_t sum[8] = {};
  for (std::size_t n = 0; n < count; n += 8)
    for (std::size_t lane = 0; lane < 8; ++lane)
      sum[lane] += static_cast<std::uint32_t>(static_cast<std::int8_t>(weights[n + lane]) * values[n + lane]);
  return {wrap(sum[0] + sum[1] + sum[2] + sum[3]), wrap(sum[4] + sum[5] + sum[6] + sum[7])};
}

void add_four(std::uint32_t* sum, const std::uint8_t* weights, const std::int8_t* values, std::size_t k) {
  for (std::size_t row = 0; row < 4; ++row)
    for (std::size_t n = 0; n < k; ++n)
      sum[row] += static_cast<std::uint32_t>(static_cast<std::int8_t>(weights[4 * row + n]) * values[n]);
}

Four four_plain(const std::uint8_t* weights, const std::int8_t* values, std::size_t k) {
  std::uint32_t sum[4] = {};
  for (std::size_t n = 0; n < k; n += 4, weights += 16)
    add_four(sum, weights, values + n, std::min<std::size_t>(4, k - n));
  return {{wrap(sum[0]), wrap(sum[1]), wrap(sum[2]), wrap(sum[3])}};
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) __m256i load_wide(const std::uint8_t* bytes) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
}

__attribute__((target("avx2"))) Pair pair_avx2(const std::uint8_t* weights, const std::int16_t* values,
                                               std::size_t count) {
  __m256i sum = _mm256_setzero_si256();
  std::size_t n = 0;
  for (; n + 16 <= count; n += 16) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values + n));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(load_wide(weights + n), x));
  }
  // Lanes: two sums of the even channel, two of the odd one, twice.
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  if (n < count) {
    const __m128i w = _mm_cvtepi8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(weights + n)));
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values + n));
    half = _mm_add_epi32(half, _mm_madd_epi16(w, x));
  }
  half = _mm_hadd_epi32(half, half);
  return {_mm_extract_epi32(half, 0), _mm_extract_epi32(half, 1)};
}

__attribute__((target("avx2"))) Four four_avx2(const std::uint8_t* weights, const std::int8_t* values, std::size_t k) {
  __m256i sum = _mm256_setzero_si256();
  std::size_t n = 0;
  for (; n + 4 <= k; n += 4, weights += 16) {
    std::int32_t word = 0;
    std::memcpy(&word, values + n, sizeof word);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(load_wide(weights), _mm256_cvtepi8_epi16(_mm_set1_epi32(word))));
  }
  const __m256i pairs = _mm256_hadd_epi32(sum, sum);
  std::uint32_t rows[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows), pairs);
  std::uint32_t four[4] = {rows[0], rows[1], rows[4], rows[5]};
  if (n < k) add_four(four, weights, values + n, k - n);
  return {{wrap(four[0]), wrap(four[1]), wrap(four[2]), wrap(four[3])}};
}

bool has_avx2() { return __builtin_cpu_supports("avx2") != 0; }

#endif

}  // namespace

#if defined(__x86_64__)
PairDot pair_dot() { return has_avx2() ? pair_avx2 : pair_plain; }
FourDot four_dot() { return has_avx2() ? four_avx2 : four_plain; }
#else
PairDot pair_dot() { return pair_plain; }
FourDot four_dot() { return four_plain; }
#endif

}  // namespace tml::fw::nn::fast
