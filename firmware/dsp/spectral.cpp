// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/spectral.hpp"

#include <algorithm>
#include <array>

#include "firmware/dsp/column.hpp"
#include "firmware/dsp/fft.hpp"
#include "firmware/dsp/filter.hpp"
#include "firmware/dsp/math.hpp"
#include "firmware/dsp/statistics.hpp"

namespace tml::fw::dsp {
namespace {

constexpr float kLeast = 1e-10F;

std::uint32_t readings_left(const BlockConfig& config, const WindowFacts& window) {
  return decimated(window.readings, config.decimation);
}

std::uint32_t segment_length(const BlockConfig& config, const WindowFacts& window) {
  return std::min<std::uint32_t>(config.fft_length, readings_left(config, window));
}

float in_log(float value) { return log10(value + kLeast); }

// What turns the mean of |X|^2 into a density, and into the amplitude of a sine.
struct Norms {
  float density;
  float amplitude;
};

// P. D. Welch, IEEE Trans. Audio Electroacoust. 15(2), 1967: mean of the periodograms of half overlapping segments.
// Bin 0 and the last one are not doubled in the density.
Norms welch(std::span<const float> column, std::span<const float> shape, float rate, std::span<float> work,
            std::span<float> power) {
  const std::size_t length = shape.size();
  const std::size_t hop = length - length / 2;
  const std::size_t bins = power.size();
  std::fill(power.begin(), power.end(), 0.0F);
  std::size_t segments = 0;
  for (std::size_t from = 0; from + length <= column.size(); from += hop) {
    for (std::size_t i = 0; i < length; ++i) work[i] = column[from + i] * shape[i];
    std::fill(work.begin() + static_cast<std::ptrdiff_t>(length), work.end(), 0.0F);
    real_fft(work);
    power[0] += work[0] * work[0];
    power[bins - 1] += work[1] * work[1];
    for (std::size_t k = 1; k + 1 < bins; ++k)
      power[k] += work[2 * k] * work[2 * k] + work[2 * k + 1] * work[2 * k + 1];
    ++segments;
  }
  const float share = 1.0F / static_cast<float>(segments);
  for (float& value : power) value *= share;
  float sum = 0.0F;
  float square = 0.0F;
  for (const float value : shape) {
    sum += value;
    square += value * value;
  }
  return {1.0F / (rate * square), 2.0F / sum};
}

struct Peak {
  std::uint32_t bin = 0;
  float amplitude = 0.0F;
};

// Local maxima above the threshold, the highest first; among equals the lower frequency first.
void find_peaks(std::span<const float> power, float amplitude, float threshold, float bin_hz, std::span<float> into) {
  std::array<Peak, kMaxPeaks> found{};
  const std::size_t wanted = into.size() / 2;
  std::size_t count = 0;
  for (std::size_t k = 1; k + 1 < power.size(); ++k) {
    if (!(power[k] > power[k - 1] && power[k] >= power[k + 1])) continue;
    const Peak peak{static_cast<std::uint32_t>(k), amplitude * root(power[k])};
    if (!(peak.amplitude > threshold)) continue;
    std::size_t at = count < wanted ? count++ : wanted;
    while (at > 0 && found[at - 1].amplitude < peak.amplitude) {
      if (at < wanted) found[at] = found[at - 1];
      --at;
    }
    if (at < wanted) found[at] = peak;
  }
  for (std::size_t i = 0; i < wanted; ++i) {
    into[2 * i] = static_cast<float>(found[i].bin) * bin_hz;
    into[2 * i + 1] = found[i].amplitude;
  }
}

}  // namespace

float spectral_rate(const BlockConfig& config, const WindowFacts& window) {
  return config.decimation > 1 ? window.frequency_hz / static_cast<float>(config.decimation) : window.frequency_hz;
}

BinRange reported_bins(const BlockConfig& config, float rate) {
  if ((config.flags & kBins) == 0) return {1, 0};
  const float bin_hz = rate / static_cast<float>(config.fft_length);
  std::uint32_t first = 1;
  std::uint32_t last = config.fft_length / 2U;
  while (first <= last && static_cast<float>(first) * bin_hz < config.low_hz) ++first;
  if (config.high_hz > 0.0F) {
    while (last >= first && static_cast<float>(last) * bin_hz > config.high_hz) --last;
  }
  return {first, last};
}

std::uint32_t spectral_values(const BlockConfig& config, const WindowFacts& window) {
  const BinRange bins = reported_bins(config, spectral_rate(config, window));
  const std::uint32_t reported = bins.first <= bins.last ? bins.last - bins.first + 1 : 0;
  return statistic_count(config.statistics) + 2U * config.peaks + config.bands + reported;
}

SpectralPlan::SpectralPlan(const BlockConfig& config, const WindowFacts& window, Scratch& scratch) {
  rows = scratch.take<float>(row_floats(window.axes));
  column = scratch.take<float>(window.readings);
  shape = scratch.take<float>(segment_length(config, window));
  work = scratch.take<float>(config.fft_length);
  power = scratch.take<float>(config.fft_length / 2U + 1U);
}

Status run_spectral(const BlockConfig& config, const WindowFacts& window, Signal& signal, std::span<float> features,
                    const SpectralPlan& plan) {
  const float rate = spectral_rate(config, window);
  const float bin_hz = rate / static_cast<float>(config.fft_length);
  const BinRange bins = reported_bins(config, rate);
  const bool logs = (config.flags & kLog) != 0;
  const auto segment = static_cast<std::uint32_t>(plan.shape.size());
  for (std::uint32_t i = 0; i < segment; ++i) plan.shape[i] = 0.5F - 0.5F * cos_turn(i, segment);

  std::size_t done = 0;
  for (std::uint32_t axis = 0; axis < window.axes; ++axis) {
    if (!axis_used(config.axes, axis)) continue;
    const Status got = read_column(signal, window, axis, 0, config.scale, plan.column, plan.rows);
    if (!got) return got;
    const auto column = plan.column.first(decimate(plan.column, config.decimation));
    if (config.filter != 0) {
      filter_in_place(butterworth(static_cast<Filter>(config.filter), config.filter_order, config.filter_hz / rate),
                      column);
    }
    // The spectrum first: the median reorders the column.
    const float mean = mean_of(column);
    for (float& value : column) value -= mean;
    const Norms norms = welch(column, plan.shape, rate, plan.work, plan.power);
    for (float& value : column) value += mean;
    done += statistics_of(column, config.statistics, features.subspan(done));

    const auto peaks = features.subspan(done, std::size_t{2} * config.peaks);
    find_peaks(plan.power, norms.amplitude, config.peak_threshold, bin_hz, peaks);
    done += peaks.size();

    plan.power[0] *= norms.density;
    plan.power.back() *= norms.density;
    for (std::size_t k = 1; k + 1 < plan.power.size(); ++k) plan.power[k] *= 2.0F * norms.density;
    for (std::uint32_t band = 0; band < config.bands; ++band) {
      float sum = 0.0F;
      for (std::size_t k = 0; k < plan.power.size(); ++k) {
        const float hz = static_cast<float>(k) * bin_hz;
        if (hz >= config.band_edges_hz[band] && hz < config.band_edges_hz[band + 1]) sum += plan.power[k];
      }
      const float power = sum * bin_hz;
      features[done++] = logs ? in_log(power) : power;
    }
    for (std::uint32_t k = bins.first; k <= bins.last; ++k) {
      features[done++] = logs ? in_log(plan.power[k]) : plan.power[k];
    }
  }
  return {};
}

}  // namespace tml::fw::dsp
