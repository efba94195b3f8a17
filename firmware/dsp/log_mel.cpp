// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/log_mel.hpp"

#include <algorithm>
#include <bit>

#include "firmware/dsp/column.hpp"
#include "firmware/dsp/fixed_fft.hpp"
#include "firmware/dsp/math.hpp"
#include "firmware/dsp/mel.hpp"

namespace tml::fw::dsp {
namespace {

constexpr std::size_t kPiece = 64;
constexpr float kMaxReading = 32767.0F;
constexpr std::uint32_t kMaxMagnitude = (1U << 22U) - 1U;  // 10 more bits still fit the front end's 32 bit words

// cos of up to an eighth of a turn, and sin, in 30 bits: the 12 bit window needs more digits than float32 has.
std::int32_t product(std::int32_t a, std::int32_t b) { return static_cast<std::int32_t>((std::int64_t{a} * b) >> 30); }
constexpr std::int32_t kOne = 1 << 30;
template <std::size_t kTerms>
std::int32_t series(std::int32_t square, const std::int32_t (&divisors)[kTerms]) {
  std::int32_t value = kOne;
  for (std::size_t i = kTerms; i-- > 0;) value = kOne - product(square, value) / divisors[i];
  return value;
}
std::int32_t small_cos(std::int32_t x) { return series(product(x, x), {2, 12, 30, 56, 90}); }
std::int32_t small_sin(std::int32_t x) { return product(x, series(product(x, x), {6, 20, 42, 72, 110})); }

// Largest r with r r <= x, then to the nearest; what fits 32 bits stays within 16, as in the original.
std::uint32_t rounded_root(std::uint64_t x) {
  std::uint64_t r = static_cast<std::uint32_t>(root(static_cast<float>(x)));
  while (r * r > x) --r;
  while ((r + 1) * (r + 1) <= x) ++r;
  if (x - r * r > r && (r != 0xFFFFU || (x >> 32U) != 0)) ++r;
  return static_cast<std::uint32_t>(r);
}

}  // namespace

void log_mel_window(std::span<std::int16_t> shape) {
  const auto n = static_cast<std::uint32_t>(shape.size());
  const std::uint32_t d = 2 * n;
  const std::uint64_t step = 221069929750889ULL / d;  // pi / 4 x 2^48, for one eighth of a turn
  for (std::uint32_t i = 0; i < n; ++i) {
    const std::uint32_t eighths = (2 * i + 1) * 8;
    const std::uint32_t octant = eighths / d;
    const std::uint32_t rest = eighths - octant * d;
    // Odd octants are counted from their upper end.
    const std::uint32_t part = octant % 2 == 0 ? rest : d - rest;
    const auto angle = static_cast<std::int32_t>((part * step) >> 18U);
    const bool sine = ((octant + 1) / 2) % 2 != 0;
    std::int32_t value = sine ? small_sin(angle) : small_cos(angle);
    if (octant >= 2 && octant < 6) value = -value;
    shape[i] = static_cast<std::int16_t>((std::int64_t{kOne} - value + (1 << 18)) >> 19);
  }
}

void LogMelFrame::lay_out(const BlockConfig& config, const WindowFacts& window, Scratch& scratch) {
  config_ = &config;
  window_ = &window;
  const std::size_t bins = config.fft_length / 2U + 1U;
  piece_ = scratch.take<float>(kPiece);
  shape_ = scratch.take<std::int16_t>(config.frame_length);
  work_ = scratch.take<std::int16_t>(config.fft_length);
  falling_ = scratch.take<std::int16_t>(bins);
  rising_ = scratch.take<std::int16_t>(bins);
  slope_at_ = scratch.take<std::uint16_t>(config.mel_filters + 2U);
}

void LogMelFrame::prepare() {
  log_mel_window(shape_);
  fill_12_bit(*config_, window_->frequency_hz, falling_, rising_, slope_at_);
}

Status LogMelFrame::frame(Signal& signal, std::uint32_t axis, std::uint32_t first, std::span<float> rows,
                          std::span<float> into) {
  std::uint32_t largest = 0;
  for (std::size_t done = 0; done < shape_.size(); done += kPiece) {
    const auto piece = piece_.first(std::min(kPiece, shape_.size() - done));
    const Status got =
        read_column(signal, *window_, axis, first + static_cast<std::uint32_t>(done), config_->scale, piece, rows);
    if (!got) return got;
    for (std::size_t i = 0; i < piece.size(); ++i) {
      const float reading = std::clamp(piece[i], -kMaxReading, kMaxReading);
      const std::int32_t value = (static_cast<std::int32_t>(reading) * shape_[done + i]) >> 12;
      work_[done + i] = static_cast<std::int16_t>(value);
      largest = std::max(largest, static_cast<std::uint32_t>(value < 0 ? -value : value));
    }
  }
  // As many bits as the transform can use.
  const auto shift = 15U - static_cast<std::uint32_t>(std::bit_width(largest));
  for (std::size_t i = 0; i < shape_.size(); ++i) work_[i] = static_cast<std::int16_t>(work_[i] * (1 << shift));
  std::fill(work_.begin() + static_cast<std::ptrdiff_t>(shape_.size()), work_.end(), std::int16_t{0});
  fixed_fft(work_);
  magnitudes(shift, into);
  return {};
}

void LogMelFrame::magnitudes(std::uint32_t shift, std::span<float> into) const {
  const std::size_t nyquist = work_.size() / 2;
  const auto energy = [&](std::size_t bin) {
    if (bin == nyquist) return static_cast<std::uint32_t>(work_[1] * work_[1]);
    const std::int32_t re = work_[2 * bin];
    const std::int32_t im = work_[2 * bin + 1];
    return static_cast<std::uint32_t>(re * re) + static_cast<std::uint32_t>(im * im);
  };
  std::uint64_t before = 0;  // what rose in the slope before
  for (std::size_t s = 0; s <= into.size(); ++s) {
    std::uint64_t fall = before;
    std::uint64_t rise = 0;
    const std::size_t end = slope_at_[s + 1];
    for (std::size_t bin = slope_at_[s]; bin < end; ++bin) {
      const std::uint32_t e = energy(bin);
      fall += std::uint64_t{static_cast<std::uint32_t>(falling_[bin])} * e;
      rise += std::uint64_t{static_cast<std::uint32_t>(rising_[bin])} * e;
    }
    if (s > 0) into[s - 1] = static_cast<float>(std::min(rounded_root(fall) >> shift, kMaxMagnitude));
    before = rise;
  }
}

}  // namespace tml::fw::dsp
