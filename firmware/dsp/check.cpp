// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <cstring>

#include "firmware/dsp/block.hpp"
#include "firmware/dsp/column.hpp"
#include "firmware/dsp/frames.hpp"
#include "firmware/dsp/image.hpp"
#include "firmware/dsp/math.hpp"
#include "firmware/dsp/spectral.hpp"
#include "firmware/dsp/statistics.hpp"

namespace tml::fw::dsp {
namespace {

using Fault = tl::unexpected<DspError>;

bool between(float x, float low, float high) { return finite(x) && x >= low && x <= high; }
bool usable_factor(float x) { return finite(x) && x != 0.0F; }

// Everything that the type uses is set to 0; what is left must be 0 already.
bool unused_is_zero(BlockConfig rest) {
  const auto type = static_cast<BlockType>(rest.type);
  rest.type = 0;
  rest.version = 0;
  rest.scale = 0.0F;
  if (type != BlockType::image) rest.axes = 0;
  const auto frames = [&] {
    rest.fft_length = 0;
    rest.frame_length = 0;
    rest.frame_stride = 0;
  };
  const auto mel = [&] {
    rest.low_hz = 0.0F;
    rest.high_hz = 0.0F;
    rest.mel_filters = 0;
  };
  switch (type) {
    case BlockType::raw:
      rest.offset = 0.0F;
      break;
    case BlockType::flatten:
      rest.statistics = 0;
      break;
    case BlockType::spectral:
      if ((rest.flags & kBins) != 0) {
        rest.low_hz = 0.0F;
        rest.high_hz = 0.0F;
      }
      rest.flags = 0;
      rest.fft_length = 0;
      rest.statistics = 0;
      if (rest.filter != 0) {
        rest.filter_order = 0;
        rest.filter_hz = 0.0F;
      }
      rest.filter = 0;
      rest.decimation = 0;
      if (rest.peaks != 0) rest.peak_threshold = 0.0F;
      rest.peaks = 0;
      for (std::size_t i = 0; rest.bands != 0 && i <= rest.bands && i <= kMaxBands; ++i) rest.band_edges_hz[i] = 0.0F;
      rest.bands = 0;
      break;
    case BlockType::spectrogram:
      frames();
      rest.flags = 0;
      rest.floor_db = 0.0F;
      break;
    case BlockType::mfe:
      frames();
      mel();
      rest.flags = 0;
      rest.floor_db = 0.0F;
      rest.preemphasis = 0.0F;
      break;
    case BlockType::mfcc:
      frames();
      mel();
      rest.flags = 0;
      rest.coefficients = 0;
      rest.lifter = 0;
      rest.preemphasis = 0.0F;
      break;
    case BlockType::log_mel:
      frames();
      mel();
      rest.noise_even = 0.0F;
      rest.noise_odd = 0.0F;
      rest.noise_keep = 0.0F;
      rest.pcan_strength = 0.0F;
      rest.pcan_offset = 0.0F;
      rest.pcan_gain_bits = 0;
      rest.log_shift = 0;
      rest.output_scale = 0.0F;
      break;
    case BlockType::image:
      rest.offset = 0.0F;
      rest.image_channels = 0;
      rest.image_fit = 0;
      rest.image_width = 0;
      rest.image_height = 0;
      break;
  }
  constexpr std::byte kZero[sizeof(BlockConfig)] = {};
  return std::memcmp(&rest, kZero, sizeof kZero) == 0;
}

bool valid_fft(std::uint32_t length) { return length >= kMinFft && length <= kMaxFft && (length & (length - 1U)) == 0; }

Result<BlockFacts> facts_of(std::uint64_t frames, std::uint64_t coefficients, const Scratch& scratch) {
  const std::uint64_t features = frames * coefficients;
  if (features > kMaxFeatures || scratch.used() > kMaxScratch) return Fault(DspError::too_large);
  return BlockFacts{static_cast<std::uint32_t>(features), static_cast<std::uint32_t>(scratch.used()),
                    static_cast<std::uint32_t>(frames), static_cast<std::uint32_t>(coefficients)};
}

Result<BlockFacts> check_spectral(const BlockConfig& c, const WindowFacts& window, std::uint32_t axes) {
  if ((c.flags & ~(kLog | kBins)) != 0) return Fault(DspError::flags);
  if (!valid_fft(c.fft_length)) return Fault(DspError::fft_length);
  if (c.decimation > 32) return Fault(DspError::filter);
  const float rate = spectral_rate(c, window);
  const float half = rate / 2.0F;
  if (c.filter > static_cast<std::uint8_t>(Filter::high_pass)) return Fault(DspError::filter);
  if (c.filter != 0) {
    if (c.filter_order < 2 || c.filter_order > 8 || c.filter_order % 2 != 0) return Fault(DspError::filter);
    if (!between(c.filter_hz, rate / 500.0F, rate * 0.49F)) return Fault(DspError::filter);
  }
  if ((c.statistics & ~kAllStatistics) != 0) return Fault(DspError::statistics);
  if (c.peaks > kMaxPeaks) return Fault(DspError::peaks);
  if (c.peaks != 0 && !(finite(c.peak_threshold) && c.peak_threshold >= 0.0F)) return Fault(DspError::peaks);
  if (c.bands > kMaxBands) return Fault(DspError::bands);
  for (std::uint32_t i = 0; c.bands != 0 && i <= c.bands; ++i) {
    if (!finite(c.band_edges_hz[i]) || c.band_edges_hz[i] < 0.0F) return Fault(DspError::bands);
    if (i > 0 && !(c.band_edges_hz[i] > c.band_edges_hz[i - 1])) return Fault(DspError::bands);
  }
  if (c.bands != 0 && !(c.band_edges_hz[c.bands - 1] <= half)) return Fault(DspError::bands);
  if ((c.flags & kBins) != 0) {
    if (!between(c.low_hz, 0.0F, half) || !between(c.high_hz, 0.0F, half)) return Fault(DspError::frequencies);
    const BinRange bins = reported_bins(c, rate);
    if (bins.first > bins.last) return Fault(DspError::frequencies);
  }
  // A segment of one value is 0 times the window, and says nothing.
  if (window.readings / (c.decimation > 1 ? c.decimation : 1U) < 2) return Fault(DspError::window);
  const std::uint32_t values = spectral_values(c, window);
  if (values == 0) return Fault(DspError::statistics);
  Scratch scratch;
  const SpectralPlan plan(c, window, scratch);
  return facts_of(1, std::uint64_t{axes} * values, scratch);
}

bool valid_log_mel(const BlockConfig& c) {
  if (!between(c.noise_even, 0.0F, 1.0F) || !between(c.noise_odd, 0.0F, 1.0F) || !between(c.noise_keep, 0.0F, 1.0F)) {
    return false;
  }
  if (!between(c.pcan_strength, 0.0F, 1.0F) || c.pcan_gain_bits > 30 || c.log_shift > 15) return false;
  if (c.pcan_strength > 0.0F) return between(c.pcan_offset, 1e-3F, 1e9F);
  return c.pcan_offset == 0.0F && c.pcan_gain_bits == 0;
}

Result<BlockFacts> check_frame_block(const BlockConfig& c, const WindowFacts& window, std::uint32_t axes) {
  const auto type = static_cast<BlockType>(c.type);
  std::uint32_t known = 0;
  if (type == BlockType::spectrogram || type == BlockType::mfe) known = kLog;
  if (type == BlockType::mfcc) known = kNormaliseMean | kNormaliseVariance;
  if ((c.flags & ~known) != 0) return Fault(DspError::flags);
  if ((c.flags & (kNormaliseMean | kNormaliseVariance)) == kNormaliseVariance) return Fault(DspError::flags);
  if (!valid_fft(c.fft_length)) return Fault(DspError::fft_length);
  if (c.frame_length < 2 || c.frame_length > c.fft_length || c.frame_stride < 1 || c.frame_stride > c.frame_length ||
      c.frame_length > window.readings) {
    return Fault(DspError::frame);
  }
  if (!(finite(c.preemphasis) && c.preemphasis >= 0.0F && c.preemphasis < 1.0F)) return Fault(DspError::level);
  if (!between(c.floor_db, -200.0F, 0.0F)) return Fault(DspError::level);
  if (c.floor_db != 0.0F && (c.flags & kLog) == 0) return Fault(DspError::level);
  if (type == BlockType::log_mel) {
    if (!valid_log_mel(c)) return Fault(DspError::level);
    if (!usable_factor(c.output_scale)) return Fault(DspError::scale);
  }
  if (type != BlockType::spectrogram) {
    if (c.mel_filters < 2 || c.mel_filters > kMaxMelFilters) return Fault(DspError::mel_filters);
    if (type == BlockType::mfcc && (c.coefficients < 1 || c.coefficients > c.mel_filters)) {
      return Fault(DspError::mel_filters);
    }
    const float half = window.frequency_hz / 2.0F;
    if (!between(c.high_hz, 0.0F, half)) return Fault(DspError::frequencies);
    if (!between(c.low_hz, 0.0F, half) || !(c.low_hz < (c.high_hz > 0.0F ? c.high_hz : half))) {
      return Fault(DspError::frequencies);
    }
    const Slope slope = type == BlockType::log_mel ? Slope::mel_12_bit : Slope::hertz;
    if (!MelBank::every_filter_has_a_bin(c, window.frequency_hz, slope)) return Fault(DspError::mel_filters);
  }
  const std::uint32_t frames = (window.readings - c.frame_length) / c.frame_stride + 1U;
  Scratch scratch;
  const FrameBlock block(c, window, scratch);
  return facts_of(frames, std::uint64_t{axes} * frame_values(c), scratch);
}

Result<BlockFacts> check_image(const BlockConfig& c, const WindowFacts& window) {
  const bool sides =
      c.image_width >= 1 && c.image_width <= kMaxImageSide && c.image_height >= 1 && c.image_height <= kMaxImageSide;
  const bool channels = (c.image_channels == 1 || c.image_channels == 3) && (window.axes == 1 || window.axes == 3);
  const bool fit = c.image_fit <= static_cast<std::uint8_t>(Fit::fit_long);
  if (!sides || !channels || !fit || window.image_width == 0 || window.readings % window.image_width != 0) {
    return Fault(DspError::image);
  }
  Scratch scratch;
  const ImagePlan plan(window, scratch);
  return facts_of(c.image_height, std::uint64_t{c.image_width} * c.image_channels, scratch);
}

}  // namespace

Result<BlockFacts> check(const BlockConfig& config, const WindowFacts& window) {
  if (config.version != kBlockVersion) return Fault(DspError::version);
  const auto type = static_cast<BlockType>(config.type);
  if (type < BlockType::raw || type > BlockType::image) return Fault(DspError::type);
  if (!unused_is_zero(config)) return Fault(DspError::unused_field);
  if (window.readings == 0 || window.readings > kMaxReadings || window.axes == 0 || window.axes > kMaxAxes) {
    return Fault(DspError::window);
  }
  const bool timed = type == BlockType::spectral || has_frames(type);
  if (timed && !between(window.frequency_hz, 1e-3F, 1e7F)) return Fault(DspError::window);
  if ((config.axes >> window.axes) != 0) return Fault(DspError::axes);
  if (!usable_factor(config.scale) || !finite(config.offset)) return Fault(DspError::scale);
  const std::uint32_t axes = axes_used(config.axes, window.axes);

  Scratch scratch;
  switch (type) {
    case BlockType::raw:
      static_cast<void>(scratch.take<float>(raw_floats(window.axes)));
      return facts_of(1, std::uint64_t{axes} * window.readings, scratch);
    case BlockType::flatten:
      if (config.statistics == 0 || (config.statistics & ~kAllStatistics) != 0) return Fault(DspError::statistics);
      static_cast<void>(scratch.take<float>(row_floats(window.axes)));
      static_cast<void>(scratch.take<float>(window.readings));
      return facts_of(1, std::uint64_t{axes} * statistic_count(config.statistics), scratch);
    case BlockType::spectral:
      return check_spectral(config, window, axes);
    case BlockType::image:
      return check_image(config, window);
    default:
      return check_frame_block(config, window, axes);
  }
}

}  // namespace tml::fw::dsp
