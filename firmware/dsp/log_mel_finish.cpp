// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <algorithm>
#include <array>
#include <bit>

#include "firmware/dsp/log_mel.hpp"
#include "firmware/dsp/math.hpp"
#include "firmware/dsp/tables.hpp"

namespace tml::fw::dsp {
namespace {

constexpr std::uint32_t kNoiseBits = 14;
constexpr std::int32_t kSmoothingBits = 10;
constexpr std::uint32_t kSnrBits = 12;
constexpr std::uint32_t kOutputBits = 6;
constexpr float kMaxGain = 32767.0F;
constexpr std::uint32_t kMaxOutput = 65535;
constexpr std::uint32_t kLogBits = 16;
constexpr std::uint32_t kLogSegments = 128;
constexpr std::uint32_t kLn2 = 45426;  // ln 2 in 16 bits

// log2(1 + x) - x at the ends of 128 segments, in 16 bits.
constexpr auto kLogExcess = [] {
  std::array<std::uint16_t, kLogSegments + 2> table{};
  for (std::uint32_t i = 0; i < kLogSegments; ++i) {
    const double x = static_cast<double>(i) / kLogSegments;
    table[i] = static_cast<std::uint16_t>((compiled_log2_1p(x) - x) * 65536.0 + 0.5);
  }
  return table;
}();

// log2(fft_length) - 6: bits by which the magnitudes are smaller than the amplitude sums.
std::int32_t correction_bits(std::uint32_t fft_length) {
  return static_cast<std::int32_t>(std::bit_width(fft_length)) - 1 - 6;
}

std::uint32_t in_14_bits(float part) { return static_cast<std::uint32_t>(part * 16384.0F); }

std::uint64_t shifted(std::uint64_t value, std::int32_t right) {
  return right >= 0 ? value >> static_cast<std::uint32_t>(right) : value << static_cast<std::uint32_t>(-right);
}

// 2^bits (noise + offset)^-strength as a parabola in each octave of the noise estimate.
class GainTable {
 public:
  GainTable(const BlockConfig& config, std::int32_t noise_bits)
      : strength_(config.pcan_strength), offset_(config.pcan_offset) {
    top_ = static_cast<float>(std::uint32_t{1} << config.pcan_gain_bits);
    unit_ = static_cast<float>(std::uint32_t{1} << static_cast<std::uint32_t>(noise_bits));
    small_ = {gain(0), gain(1)};
    for (std::uint32_t octave = 2; octave <= 32; ++octave) {
      const std::uint32_t x0 = std::uint32_t{1} << (octave - 1);
      const std::uint32_t x2 = octave == 32 ? x0 + (x0 - 1) : 2 * x0;
      const std::int32_t y0 = gain(x0);
      const std::int32_t to_middle = gain(x0 + x0 / 2) - y0;
      const std::int32_t to_end = gain(x2) - y0;
      const std::int32_t a1 = 4 * to_middle - to_end;
      octaves_[octave - 2] = {static_cast<std::int16_t>(y0), static_cast<std::int16_t>(a1),
                              static_cast<std::int16_t>(to_end - a1)};
    }
  }

  [[nodiscard]] std::uint32_t operator()(std::uint32_t noise) const {
    if (noise < 2) return static_cast<std::uint32_t>(small_[noise]);
    const auto octave = static_cast<std::uint32_t>(std::bit_width(noise));
    const Parabola& p = octaves_[octave - 2];
    const auto part =
        static_cast<std::int32_t>((octave < 11 ? noise << (11 - octave) : noise >> (octave - 11)) & 0x3FFU);
    std::int32_t value = ((p.a2 * part) >> 5) + p.a1 * 32;
    value = (value * part + (1 << 14)) >> 15;
    return static_cast<std::uint32_t>(static_cast<std::int16_t>(value + p.y0));
  }

 private:
  struct Parabola {
    std::int16_t y0, a1, a2;
  };

  [[nodiscard]] std::int32_t gain(std::uint32_t noise) const {
    const float value = top_ * power(static_cast<float>(noise) / unit_ + offset_, -strength_);
    return static_cast<std::int32_t>(value > kMaxGain ? kMaxGain : value + 0.5F);
  }

  float strength_, offset_, top_ = 0.0F, unit_ = 0.0F;
  std::array<std::int32_t, 2> small_{};
  std::array<Parabola, 31> octaves_{};
};

// Quadratic below a ratio of 2, straight above.
std::uint64_t shrink(std::uint64_t snr) {
  if (snr < (2U << kSnrBits)) return (snr * snr) >> (2U + 2U * kSnrBits - kOutputBits);
  return (snr >> (kSnrBits - kOutputBits)) - (1U << kOutputBits);
}

// ln(x) x 2^shift for x > 1: log2 by straight pieces.
std::uint32_t log_of(std::uint32_t x, std::uint32_t shift) {
  const auto whole = static_cast<std::uint32_t>(std::bit_width(x)) - 1U;
  const std::uint32_t above = x - (std::uint32_t{1} << whole);
  const std::uint32_t part = whole < kLogBits ? above << (kLogBits - whole) : above >> (whole - kLogBits);
  const std::uint32_t segment = part / (65536U / kLogSegments);
  const std::int32_t c0 = kLogExcess[segment];
  const std::int32_t c1 = kLogExcess[segment + 1];
  const std::int32_t along = ((c1 - c0) * static_cast<std::int32_t>(part % (65536U / kLogSegments))) >> kLogBits;
  const std::uint32_t log2 = (whole << kLogBits) + part + static_cast<std::uint32_t>(c0 + along);
  constexpr std::uint32_t kHalf = 1U << (kLogBits - 1U);
  const std::uint64_t ln = (std::uint64_t{kLn2} * log2 + kHalf) >> kLogBits;
  return static_cast<std::uint32_t>(((ln << shift) + kHalf) >> kLogBits);
}

}  // namespace

void log_mel_finish(const BlockConfig& config, std::uint32_t frames, std::uint32_t width, std::span<float> features) {
  const std::int32_t correction = correction_bits(config.fft_length);
  const std::uint32_t keep = in_14_bits(config.noise_keep);
  const bool controlled = config.pcan_strength > 0.0F;
  const GainTable gain(config, kSmoothingBits - correction);
  const std::int32_t snr_shift = config.pcan_gain_bits - correction - static_cast<std::int32_t>(kSnrBits);
  for (std::uint32_t c = 0; c < width; ++c) {
    const bool even = c % config.mel_filters % 2 == 0;
    const std::uint32_t smoothing = in_14_bits(even ? config.noise_even : config.noise_odd);
    std::uint32_t noise = 0;
    for (std::uint32_t f = 0; f < frames; ++f) {
      float& value = features[std::size_t{f} * width + c];
      const auto magnitude = static_cast<std::uint32_t>(value);
      const std::uint32_t up = magnitude << static_cast<std::uint32_t>(kSmoothingBits);
      noise = static_cast<std::uint32_t>(
          (std::uint64_t{up} * smoothing + std::uint64_t{noise} * ((1U << kNoiseBits) - smoothing)) >> kNoiseBits);
      const auto least = static_cast<std::uint32_t>((std::uint64_t{magnitude} * keep) >> kNoiseBits);
      std::uint64_t left = std::max(least, (up - std::min(noise, up)) >> static_cast<std::uint32_t>(kSmoothingBits));
      if (controlled) left = shrink(shifted(left * gain(noise), snr_shift));
      left = std::min<std::uint64_t>(shifted(left, -correction), 0xFFFFFFFFU);
      const std::uint32_t output = left > 1 ? log_of(static_cast<std::uint32_t>(left), config.log_shift) : 0;
      value = static_cast<float>(std::min(output, kMaxOutput)) * config.output_scale;
    }
  }
}

}  // namespace tml::fw::dsp
