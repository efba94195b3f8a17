// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/block.hpp"

namespace tml::fw::dsp {
namespace {

constexpr float kInt16 = 1.0F / 32768.0F;

void speech_frames(BlockConfig& config) {
  config.scale = kInt16;
  config.fft_length = 512;
  config.frame_length = 320;
  config.frame_stride = 160;
}

}  // namespace

BlockConfig defaults(BlockType type) {
  BlockConfig config;
  config.type = static_cast<std::uint8_t>(type);
  switch (type) {
    case BlockType::raw:
      break;
    case BlockType::flatten:
      config.statistics = kMean | kMinimum | kMaximum | kRms | kDeviation | kSkewness | kKurtosis;
      break;
    case BlockType::spectral:
      config.flags = kLog | kBins;
      config.fft_length = 64;
      config.statistics = kRms | kSkewness | kKurtosis;
      break;
    case BlockType::spectrogram:
      speech_frames(config);
      config.flags = kLog;
      config.floor_db = -52.0F;
      break;
    case BlockType::mfe:
      speech_frames(config);
      config.flags = kLog;
      config.floor_db = -52.0F;
      config.mel_filters = 40;
      config.low_hz = 80.0F;
      config.preemphasis = 0.98F;
      break;
    case BlockType::mfcc:
      speech_frames(config);
      config.frame_stride = 320;
      config.flags = kNormaliseMean | kNormaliseVariance;
      config.mel_filters = 32;
      config.coefficients = 13;
      config.low_hz = 80.0F;
      config.preemphasis = 0.98F;
      break;
    case BlockType::log_mel:
      config.fft_length = 512;
      config.frame_length = 480;
      config.frame_stride = 320;
      config.mel_filters = 40;
      config.low_hz = 125.0F;
      config.high_hz = 7500.0F;
      config.noise_even = 0.025F;
      config.noise_odd = 0.06F;
      config.noise_keep = 0.05F;
      config.pcan_strength = 0.95F;
      config.pcan_offset = 80.0F;
      config.pcan_gain_bits = 21;
      config.log_shift = 6;
      // The original's int8 value is output x 256 / 666 - 128; the model's input scale undoes ours.
      config.output_scale = 0.10171568393707275F * 256.0F / 666.0F;
      break;
    case BlockType::image:
      config.scale = 1.0F / 255.0F;
      config.image_channels = 3;
      config.image_fit = static_cast<std::uint8_t>(Fit::fit_short);
      config.image_width = 96;
      config.image_height = 96;
      break;
  }
  return config;
}

std::string_view text(DspError error) {
  switch (error) {
    case DspError::version:
      return "the DSP block is of another version; compile the package with this version";
    case DspError::type:
      return "the DSP block type is unknown, or has no frames where frames are needed";
    case DspError::unused_field:
      return "a parameter is set that this DSP block does not use; it must be 0";
    case DspError::window:
      return "the window needs 1 to 1048576 readings of 1 to 20 axes at a valid rate";
    case DspError::axes:
      return "the DSP block names an axis that the window does not have";
    case DspError::scale:
      return "scale and output scale must be finite and not 0, the offset finite";
    case DspError::flags:
      return "a flag that this DSP block does not know, or variance without mean normalisation";
    case DspError::fft_length:
      return "the FFT length must be a power of two from 16 to 4096";
    case DspError::frame:
      return "frames need 2 to FFT length readings, a stride of 1 to their length, and a longer window";
    case DspError::frequencies:
      return "low and high frequency must ascend and stay at or below half the rate";
    case DspError::mel_filters:
      return "2 to 128 mel filters of at least one FFT bin each; lengthen the FFT or use fewer";
    case DspError::filter:
      return "a filter needs order 2, 4, 6 or 8 and rate / 500 to 0.49 rate; decimation 1 to 32";
    case DspError::statistics:
      return "the statistics are unknown, or the block computes nothing";
    case DspError::peaks:
      return "at most 16 peaks, with a threshold of at least 0";
    case DspError::bands:
      return "at most 8 bands with ascending edges from 0, starting at or below half the rate";
    case DspError::level:
      return "preemphasis, floor, noise, gain or log parameters are out of range";
    case DspError::image:
      return "the window must be whole rows of 1 or 3 channels, the target 1 to 1024 pixels a side";
    case DspError::too_large:
      return "more than 262144 features or 16 MiB of working memory";
    case DspError::scratch_too_small:
      return "the working memory is smaller than the block needs, or not aligned to 4";
    case DspError::features_size:
      return "the room for features has another size than the block gives";
    case DspError::read_failed:
      return "readings of the window are no longer there";
    case DspError::not_finite:
      return "a reading or feature is infinite or not a number";
    case DspError::overrun:
      return "readings were lost before they were processed";
    case DspError::state:
      return "called out of order";
  }
  return "unknown DSP error";
}

}  // namespace tml::fw::dsp
