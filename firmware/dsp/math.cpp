// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/math.hpp"

namespace tml::fw::dsp {
namespace {

// Both for 0 <= x <= pi / 4.
float small_sin(float x) {
  const float z = x * x;
  float y = -1.9515295891E-4F;
  y = y * z + 8.3321608736E-3F;
  y = y * z - 1.6666654611E-1F;
  return y * z * x + x;
}

float small_cos(float x) {
  const float z = x * x;
  float y = 2.443315711809948E-5F;
  y = y * z - 1.388731625493765E-3F;
  y = y * z + 4.166664568298827E-2F;
  return y * z * z - 0.5F * z + 1.0F;
}

struct Octant {
  std::uint32_t number;  // 0 .. 7
  float angle;           // within the octant, 0 .. pi / 4
};

Octant octant_of(std::uint32_t n, std::uint32_t d) {
  const std::uint32_t number = n * 8U / d;
  const std::uint32_t rest = n * 8U - number * d;
  return {number, static_cast<float>(rest) / static_cast<float>(d) * (kPi / 4.0F)};
}

}  // namespace

bool all_finite(std::span<const float> values) {
  // Adding one exponent step to the magnitude's bits carries into the sign bit for infinities and NaNs alone.
  std::uint32_t carry = 0;
  for (const float value : values) carry |= (std::bit_cast<std::uint32_t>(value) & 0x7FFFFFFFU) + 0x00800000U;
  return (carry & 0x80000000U) == 0;
}

float ln(float x) {
  constexpr float kLeast = 1.17549435e-38F;
  if (!(x >= kLeast)) x = kLeast;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  auto exponent = static_cast<std::int32_t>(bits >> 23U) - 126;
  float m = std::bit_cast<float>((bits & 0x007FFFFFU) | 0x3F000000U);  // 0.5 .. 1
  if (m < 0.707106781186547524F) {
    exponent -= 1;
    m = m + m - 1.0F;
  } else {
    m = m - 1.0F;
  }
  const float z = m * m;
  float y = 7.0376836292E-2F;
  y = y * m - 1.1514610310E-1F;
  y = y * m + 1.1676998740E-1F;
  y = y * m - 1.2420140846E-1F;
  y = y * m + 1.4249322787E-1F;
  y = y * m - 1.6668057665E-1F;
  y = y * m + 2.0000714765E-1F;
  y = y * m - 2.4999993993E-1F;
  y = y * m + 3.3333331174E-1F;
  y = y * m * z;
  const auto e = static_cast<float>(exponent);
  y = y + e * -2.12194440e-4F;
  y = y - 0.5F * z;
  return m + y + e * 0.693359375F;
}

float log10(float x) { return ln(x) * 0.434294481903251828F; }

float exp2(float x) {
  if (!(x >= -126.0F)) x = -126.0F;
  if (x > 127.0F) x = 127.0F;
  auto whole = static_cast<std::int32_t>(x);
  float rest = x - static_cast<float>(whole);
  if (rest > 0.5F) {
    whole += 1;
    rest -= 1.0F;
  } else if (rest < -0.5F) {
    whole -= 1;
    rest += 1.0F;
  }
  float y = 1.535336188319500E-4F;
  y = y * rest + 1.339887440266574E-3F;
  y = y * rest + 9.618437357674640E-3F;
  y = y * rest + 5.550332471162809E-2F;
  y = y * rest + 2.402264791363012E-1F;
  y = y * rest + 6.931472028550421E-1F;
  y = y * rest + 1.0F;
  return y * std::bit_cast<float>(static_cast<std::uint32_t>(whole + 127) << 23U);
}

float exp(float x) { return exp2(x * 1.44269504088896341F); }

float power(float x, float y) {
  // y log2 x = whole + rest, taken apart before the rounding that would cost the result its last digits.
  constexpr float kLeast = 1.17549435e-38F;
  if (!(x >= kLeast)) x = kLeast;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto exponent = static_cast<float>(static_cast<std::int32_t>(bits >> 23U) - 127);
  const float mantissa = std::bit_cast<float>((bits & 0x007FFFFFU) | 0x3F800000U);  // 1 .. 2
  // The upper half of y times a whole number of 8 bits is exact.
  const float upper = std::bit_cast<float>(std::bit_cast<std::uint32_t>(y) & 0xFFFFF000U);
  const float large = upper * exponent;
  const auto whole = static_cast<float>(static_cast<std::int32_t>(large));
  const float rest = (large - whole) + ((y - upper) * exponent + y * (ln(mantissa) * 1.44269504088896341F));
  const auto more = static_cast<float>(static_cast<std::int32_t>(rest));
  float scale = whole + more;
  if (scale < -126.0F) scale = -126.0F;
  if (scale > 126.0F) scale = 126.0F;
  return exp2(rest - more) * exp2(scale);
}

float cos_turn(std::uint32_t n, std::uint32_t d) {
  const Octant at = octant_of(n, d);
  const float quarter = kPi / 4.0F - at.angle;
  switch (at.number) {
    case 0:
      return small_cos(at.angle);
    case 1:
      return small_sin(quarter);
    case 2:
      return -small_sin(at.angle);
    case 3:
      return -small_cos(quarter);
    case 4:
      return -small_cos(at.angle);
    case 5:
      return -small_sin(quarter);
    case 6:
      return small_sin(at.angle);
    default:
      return small_cos(quarter);
  }
}

float sin_turn(std::uint32_t n, std::uint32_t d) {
  // sin(a) = cos(a - a quarter turn); in units of 1 / (4 d) the quarter is whole.
  std::uint32_t turned = n * 4U + d * 3U;
  if (turned >= d * 4U) turned -= d * 4U;
  return cos_turn(turned, d * 4U);
}

float tan_half_turns(float x) {
  // Near half a turn the tangent grows without bound, so both halves are taken where they are small.
  if (x <= 0.25F) return small_sin(x * kPi) / small_cos(x * kPi);
  const float rest = (0.5F - x) * kPi;
  return small_cos(rest) / small_sin(rest);
}

float mel_of(float hz) { return 1127.0F * ln(1.0F + hz / 700.0F); }

float hz_of(float mel) { return 700.0F * (exp(mel / 1127.0F) - 1.0F); }

}  // namespace tml::fw::dsp
