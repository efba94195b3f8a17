// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/frames.hpp"

#include <algorithm>
#include <bit>

#include "firmware/dsp/column.hpp"
#include "firmware/dsp/fft.hpp"
#include "firmware/dsp/math.hpp"
#include "firmware/dsp/statistics.hpp"

namespace tml::fw::dsp {
namespace {

constexpr float kLeastPower = 1e-10F;
constexpr float kHeadroomDb = 12.0F;

bool uses_mel(BlockType type) { return type != BlockType::spectrogram; }

float decibels(float power, float floor_db) {
  const float db = 10.0F * log10(power > kLeastPower ? power : kLeastPower);
  if (floor_db == 0.0F) return db;
  const float place = (db - floor_db) / (kHeadroomDb - floor_db);
  return std::clamp(place, 0.0F, 1.0F);
}

}  // namespace

std::uint32_t frame_values(const BlockConfig& config) {
  switch (static_cast<BlockType>(config.type)) {
    case BlockType::spectrogram:
      return config.fft_length / 2U + 1U;
    case BlockType::mfcc:
      return config.coefficients;
    default:
      return config.mel_filters;
  }
}

FrameBlock::FrameBlock(const BlockConfig& config, const WindowFacts& window, Scratch& scratch)
    : config_(&config), window_(&window), type_(static_cast<BlockType>(config.type)) {
  rows_ = scratch.take<float>(row_floats(window.axes));
  if (type_ == BlockType::log_mel) {
    log_mel_.lay_out(config, window, scratch);
    return;
  }
  shape_ = scratch.take<float>(config.frame_length);
  work_ = scratch.take<float>(config.fft_length);
  power_ = scratch.take<float>(config.fft_length / 2U + 1U);
  if (uses_mel(type_)) mel_.lay_out(config, window.frequency_hz, scratch);
  if (type_ == BlockType::mfcc) {
    energies_ = scratch.take<float>(config.mel_filters);
    cosine_ = scratch.take<float>(std::size_t{config.coefficients} * config.mel_filters);
  }
}

bool FrameBlock::prepare() {
  const std::uint32_t length = config_->frame_length;
  if (type_ == BlockType::log_mel) {
    log_mel_.prepare();
    return true;
  }
  for (std::uint32_t i = 0; i < length; ++i) shape_[i] = 0.5F - 0.5F * cos_turn(i, length);
  if (!uses_mel(type_)) return true;
  if (type_ == BlockType::mfcc) {
    // DCT-II, orthonormal; the cepstral lifter is folded in.
    const std::uint32_t filters = config_->mel_filters;
    const std::uint32_t lifter = config_->lifter;
    for (std::uint32_t c = 0; c < config_->coefficients; ++c) {
      float factor = root((c == 0 ? 1.0F : 2.0F) / static_cast<float>(filters));
      if (lifter != 0) {
        const float half = static_cast<float>(lifter) / 2.0F;
        factor *= 1.0F + half * sin_turn(c % (2 * lifter), 2 * lifter);
      }
      for (std::uint32_t m = 0; m < filters; ++m) {
        const std::uint32_t turn = 4 * filters;
        cosine_[c * filters + m] = factor * cos_turn(c * (2 * m + 1) % turn, turn);
      }
    }
  }
  return mel_.fill();
}

Status FrameBlock::frame(Signal& signal, std::uint32_t first, std::span<float> into) {
  const std::uint32_t values_each = frame_values(*config_);
  std::size_t done = 0;
  for (std::uint32_t axis = 0; axis < window_->axes; ++axis) {
    if (!axis_used(config_->axes, axis)) continue;
    const auto values_here = into.subspan(done, values_each);
    done += values_each;
    if (type_ == BlockType::log_mel) {
      const Status got = log_mel_.frame(signal, axis, first, rows_, values_here);
      if (!got) return got;
      continue;
    }
    const auto column = work_.first(config_->frame_length);
    const Status got = read_column(signal, *window_, axis, first, config_->scale, column, rows_);
    if (!got) return got;
    windowed();
    real_fft(work_);
    power_spectrum(work_, 1.0F / static_cast<float>(config_->fft_length), power_);
    values(values_here);
  }
  return {};
}

void FrameBlock::windowed() {
  const auto frame = work_.first(shape_.size());
  const float p = config_->preemphasis;
  if (p == 0.0F) {
    for (std::size_t i = 0; i < frame.size(); ++i) frame[i] *= shape_[i];
  } else {
    // Within the frame, as HTK does it, so that a frame needs no reading before it.
    float before = frame[0];
    for (std::size_t i = 0; i < frame.size(); ++i) {
      const float now = frame[i];
      frame[i] = (now - p * before) * shape_[i];
      before = now;
    }
  }
  std::fill(work_.begin() + static_cast<std::ptrdiff_t>(frame.size()), work_.end(), 0.0F);
}

void FrameBlock::values(std::span<float> into) {
  if (type_ == BlockType::mfcc) {
    mel_.energies(power_, energies_);
    for (float& energy : energies_) energy = ln(energy > kLeastPower ? energy : kLeastPower);
    const std::size_t filters = energies_.size();
    for (std::size_t c = 0; c < into.size(); ++c) {
      const auto row = cosine_.subspan(c * filters, filters);
      float sum = 0.0F;
      for (std::size_t m = 0; m < filters; ++m) sum += row[m] * energies_[m];
      into[c] = sum;
    }
    return;
  }
  if (type_ == BlockType::mfe) {
    mel_.energies(power_, into);
  } else {
    std::copy(power_.begin(), power_.end(), into.begin());
  }
  if ((config_->flags & kLog) != 0) {
    for (float& value : into) value = decibels(value, config_->floor_db);
  }
}

namespace {

// Mean and variance of each coefficient over the window's frames (cepstral mean and variance normalisation).
void normalise(std::uint16_t flags, std::uint32_t frames, std::uint32_t width, std::span<float> features) {
  const auto n = static_cast<float>(frames);
  for (std::uint32_t c = 0; c < width; ++c) {
    float sum = 0.0F;
    for (std::uint32_t f = 0; f < frames; ++f) sum += features[std::size_t{f} * width + c];
    const float mean = sum / n;
    float square = 0.0F;
    for (std::uint32_t f = 0; f < frames; ++f) {
      float& value = features[std::size_t{f} * width + c];
      value -= mean;
      square += value * value;
    }
    if ((flags & kNormaliseVariance) == 0) continue;
    const float inverse = 1.0F / (root(square / n) + kLeastPower);
    for (std::uint32_t f = 0; f < frames; ++f) features[std::size_t{f} * width + c] *= inverse;
  }
}

}  // namespace

void finish_frames(const BlockConfig& config, std::uint32_t frames, std::uint32_t width, std::span<float> features) {
  const auto type = static_cast<BlockType>(config.type);
  if (type == BlockType::mfcc && (config.flags & kNormaliseMean) != 0) {
    normalise(config.flags, frames, width, features);
  } else if (type == BlockType::log_mel) {
    log_mel_finish(config, frames, width, features);
  }
}

}  // namespace tml::fw::dsp
