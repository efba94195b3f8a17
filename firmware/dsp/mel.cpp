// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/mel.hpp"

#include <algorithm>

#include "firmware/dsp/math.hpp"

namespace tml::fw::dsp {
namespace {

std::int16_t in_12_bits(float weight) { return static_cast<std::int16_t>(weight * 4096.0F + 0.5F); }

// Walks the bins and tells which slope each lies in: visit(bin, slope, place within the slope from 0 to 1).
// `seen(slope, bin)` is called for the first bin of each slope (and the end of the last).
template <class Visit, class Edge>
void walk(std::uint32_t filters, std::uint32_t bins, float bin_hz, float low_hz, float high_hz, Slope slope,
          Visit visit, Edge edge) {
  const float mel_low = mel_of(low_hz);
  const float step = (mel_of(high_hz) - mel_low) / static_cast<float>(filters + 1);
  const bool hertz = slope == Slope::hertz;
  // The front end of TensorFlow starts at int(1.5 + low / bin width): the bin after the nearest one.
  std::uint32_t bin = 0;
  if (hertz) {
    while (bin < bins && static_cast<float>(bin) * bin_hz < low_hz) ++bin;
  } else {
    bin = static_cast<std::uint32_t>(1.5F + low_hz / bin_hz);
  }
  float from = hertz ? low_hz : mel_low;
  for (std::uint32_t s = 0; s <= filters; ++s) {
    edge(s, bin);
    const float to_mel = mel_low + step * static_cast<float>(s + 1);
    const float to = !hertz ? to_mel : (s == filters ? high_hz : hz_of(to_mel));
    for (; bin < bins; ++bin) {
      const float hz = static_cast<float>(bin) * bin_hz;
      const float at = hertz ? hz : mel_of(hz);
      if (at > to) break;
      visit(bin, s, (at - from) / (to - from));
    }
    from = to;
  }
  edge(filters + 1, bin);
}

float upper_edge(const BlockConfig& config, float rate) { return config.high_hz > 0.0F ? config.high_hz : rate / 2.0F; }

}  // namespace

void MelBank::lay_out(const BlockConfig& config, float rate, Scratch& scratch) {
  filters_ = config.mel_filters;
  bins_ = config.fft_length / 2U + 1U;
  bin_hz_ = rate / static_cast<float>(config.fft_length);
  low_hz_ = config.low_hz;
  high_hz_ = upper_edge(config, rate);
  rising_ = scratch.take<float>(bins_);
  slope_at_ = scratch.take<std::uint16_t>(filters_ + 2U);
}

bool MelBank::fill() {
  walk(
      filters_, bins_, bin_hz_, low_hz_, high_hz_, Slope::hertz,
      [&](std::uint32_t bin, std::uint32_t, float place) { rising_[bin] = place; },
      [&](std::uint32_t s, std::uint32_t bin) { slope_at_[s] = static_cast<std::uint16_t>(bin); });
  return slope_at_[filters_ + 1U] > slope_at_[0];
}

void fill_12_bit(const BlockConfig& config, float rate, std::span<std::int16_t> falling, std::span<std::int16_t> rising,
                 std::span<std::uint16_t> slope_at) {
  std::fill(falling.begin(), falling.end(), std::int16_t{0});
  std::fill(rising.begin(), rising.end(), std::int16_t{0});
  walk(
      config.mel_filters, static_cast<std::uint32_t>(falling.size()), rate / static_cast<float>(config.fft_length),
      config.low_hz, upper_edge(config, rate), Slope::mel_12_bit,
      [&](std::uint32_t bin, std::uint32_t, float place) {
        falling[bin] = in_12_bits(1.0F - place);
        rising[bin] = in_12_bits(place);
      },
      [&](std::uint32_t s, std::uint32_t bin) { slope_at[s] = static_cast<std::uint16_t>(bin); });
}

bool MelBank::every_filter_has_a_bin(const BlockConfig& config, float rate, Slope slope) {
  const float bin_hz = rate / static_cast<float>(config.fft_length);
  bool all = true;
  bool before = true;  // the previous slope has a bin that is not at its lower end
  bool inner = false;
  walk(
      config.mel_filters, config.fft_length / 2U + 1U, bin_hz, config.low_hz, upper_edge(config, rate), slope,
      [&](std::uint32_t, std::uint32_t, float place) { inner = inner || (place > 0.0F && place <= 1.0F); },
      [&](std::uint32_t s, std::uint32_t) {
        // Filter s - 2 has slopes s - 2 and s - 1; both were empty when neither holds a bin.
        if (s >= 2 && !before && !inner) all = false;
        before = inner;
        inner = false;
      });
  return all;
}

void MelBank::energies(std::span<const float> power, std::span<float> into) const {
  float before = 0.0F;  // what rose in the slope before
  for (std::uint32_t s = 0; s <= filters_; ++s) {
    float rise = 0.0F;
    float fall = 0.0F;
    const std::uint32_t end = slope_at_[s + 1U];
    for (std::uint32_t bin = slope_at_[s]; bin < end; ++bin) {
      const float part = rising_[bin] * power[bin];
      rise += part;
      fall += power[bin] - part;
    }
    if (s > 0) into[s - 1U] = before + fall;
    before = rise;
  }
}

}  // namespace tml::fw::dsp
