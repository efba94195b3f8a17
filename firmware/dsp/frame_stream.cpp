// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include <algorithm>

#include "firmware/dsp/block.hpp"
#include "firmware/dsp/frames.hpp"
#include "firmware/dsp/math.hpp"

namespace tml::fw::dsp {
namespace {

Result<BlockFacts> check_frames(const BlockConfig& config, const WindowFacts& window) {
  const auto facts = check(config, window);
  if (facts && !has_frames(static_cast<BlockType>(config.type))) return tl::unexpected(DspError::type);
  return facts;
}

}  // namespace

Result<std::uint32_t> FrameStream::ring_floats(const BlockConfig& config, const WindowFacts& window) {
  const auto facts = check_frames(config, window);
  if (!facts) return tl::unexpected(facts.error());
  return facts->features;
}

Status FrameStream::begin(const BlockConfig& config, const WindowFacts& window, std::span<float> ring) {
  const auto facts = check_frames(config, window);
  if (!facts) return tl::unexpected(facts.error());
  if (ring.size() < facts->features) return tl::unexpected(DspError::features_size);
  config_ = config;
  window_ = window;
  facts_ = *facts;
  ring_ = ring.first(facts->features);
  width_ = facts->coefficients;
  reset();
  return {};
}

void FrameStream::reset() {
  next_ = 0;
  held_ = 0;
  backlog_ = 0;
}

Result<std::uint32_t> FrameStream::push(Signal& recent, std::uint32_t readings, std::uint32_t fresh,
                                        std::span<std::byte> scratch) {
  if (ring_.empty() || fresh > readings || readings > kMaxReadings) return tl::unexpected(DspError::state);
  if (backlog_ > readings - fresh) return tl::unexpected(DspError::overrun);
  const std::uint32_t length = config_.frame_length;
  backlog_ += fresh;
  if (backlog_ < length) return 0;

  Scratch memory(scratch);
  FrameBlock block(config_, window_, memory);
  if (!memory.enough() || reinterpret_cast<std::uintptr_t>(scratch.data()) % kScratchAlignment != 0) {
    backlog_ -= fresh;
    return tl::unexpected(DspError::scratch_too_small);
  }
  if (!block.prepare()) return tl::unexpected(DspError::mel_filters);
  std::uint32_t added = 0;
  while (backlog_ >= length) {
    const auto into = ring_.subspan(std::size_t{next_} * width_, width_);
    const Status done = block.frame(recent, readings - backlog_, into);
    if (!done) {
      reset();
      return tl::unexpected(done.error());
    }
    backlog_ -= config_.frame_stride;
    next_ = next_ + 1 == facts_.frames ? 0 : next_ + 1;
    held_ = std::min(held_ + 1, facts_.frames);
    ++added;
  }
  return added;
}

Status FrameStream::features(std::span<float> features) const {
  if (!ready()) return tl::unexpected(DspError::state);
  if (features.size() != facts_.features) return tl::unexpected(DspError::features_size);
  const auto split = ring_.begin() + static_cast<std::ptrdiff_t>(std::size_t{next_} * width_);
  const auto rest = std::copy(split, ring_.end(), features.begin());
  std::copy(ring_.begin(), split, rest);
  finish_frames(config_, facts_.frames, width_, features);
  if (!all_finite(features)) return tl::unexpected(DspError::not_finite);
  return {};
}

}  // namespace tml::fw::dsp
