// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/dsp/block.hpp"

#include "firmware/dsp/column.hpp"
#include "firmware/dsp/frames.hpp"
#include "firmware/dsp/image.hpp"
#include "firmware/dsp/math.hpp"
#include "firmware/dsp/spectral.hpp"
#include "firmware/dsp/statistics.hpp"

namespace tml::fw::dsp {
namespace {

Status run_raw(const BlockConfig& config, const WindowFacts& window, Signal& signal, std::span<float> features,
               std::span<float> rows) {
  std::size_t done = 0;
  const std::size_t per_call = rows.size() / window.axes;
  for (std::size_t first = 0; first < window.readings; first += per_call) {
    const std::size_t left = window.readings - first;
    const std::size_t count = left < per_call ? left : per_call;
    const auto values = rows.first(count * window.axes);
    if (!signal.read(first * window.axes, values)) return tl::unexpected(DspError::read_failed);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::uint32_t axis = 0; axis < window.axes; ++axis) {
        if (!axis_used(config.axes, axis)) continue;
        features[done++] = values[i * window.axes + axis] * config.scale + config.offset;
      }
    }
  }
  return {};
}

Status run_flatten(const BlockConfig& config, const WindowFacts& window, Signal& signal, std::span<float> features,
                   std::span<float> rows, std::span<float> column) {
  std::size_t done = 0;
  for (std::uint32_t axis = 0; axis < window.axes; ++axis) {
    if (!axis_used(config.axes, axis)) continue;
    const Status got = read_column(signal, window, axis, 0, config.scale, column, rows);
    if (!got) return got;
    done += statistics_of(column, config.statistics, features.subspan(done));
  }
  return {};
}

Status run_frames(const BlockConfig& config, const BlockFacts& facts, Signal& signal, std::span<float> features,
                  FrameBlock& block) {
  if (!block.prepare()) return tl::unexpected(DspError::mel_filters);
  for (std::uint32_t f = 0; f < facts.frames; ++f) {
    const auto into = features.subspan(std::size_t{f} * facts.coefficients, facts.coefficients);
    const Status done = block.frame(signal, f * config.frame_stride, into);
    if (!done) return done;
  }
  finish_frames(config, facts.frames, facts.coefficients, features);
  return {};
}

}  // namespace

Status run(const BlockConfig& config, const WindowFacts& window, Signal& signal, std::span<float> features,
           std::span<std::byte> scratch) {
  const auto facts = check(config, window);
  if (!facts) return tl::unexpected(facts.error());
  if (features.size() != facts->features) return tl::unexpected(DspError::features_size);
  if (scratch.size() < facts->scratch_bytes ||
      reinterpret_cast<std::uintptr_t>(scratch.data()) % kScratchAlignment != 0) {
    return tl::unexpected(DspError::scratch_too_small);
  }

  Scratch memory(scratch);
  Status done;
  switch (static_cast<BlockType>(config.type)) {
    case BlockType::raw: {
      done = run_raw(config, window, signal, features, memory.take<float>(raw_floats(window.axes)));
      break;
    }
    case BlockType::flatten: {
      const auto rows = memory.take<float>(row_floats(window.axes));
      done = run_flatten(config, window, signal, features, rows, memory.take<float>(window.readings));
      break;
    }
    case BlockType::spectral: {
      done = run_spectral(config, window, signal, features, SpectralPlan(config, window, memory));
      break;
    }
    case BlockType::image: {
      done = run_image(config, window, signal, features, ImagePlan(window, memory));
      break;
    }
    default: {
      FrameBlock block(config, window, memory);
      done = run_frames(config, *facts, signal, features, block);
      break;
    }
  }
  if (done && !all_finite(features)) done = tl::unexpected(DspError::not_finite);
  return done;
}

}  // namespace tml::fw::dsp
