// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Blocks with memory of their own, for tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "firmware/dsp/block.hpp"

namespace tml::test {

/// Runs a block with exactly the memory that check() asks for, so that a sanitizer sees every step beyond it.
inline fw::dsp::Result<std::vector<float>> run_block(const fw::dsp::BlockConfig& config,
                                                     const fw::dsp::WindowFacts& window, fw::dsp::Signal& signal) {
  const auto facts = fw::dsp::check(config, window);
  if (!facts) return tl::unexpected(facts.error());
  std::vector<float> features(facts->features);
  std::vector<std::byte> scratch(facts->scratch_bytes);
  const auto done = fw::dsp::run(config, window, signal, features, scratch);
  if (!done) return tl::unexpected(done.error());
  return features;
}

/// Uniform in [-1, 1): the same numbers on every machine.
inline std::vector<float> noise(std::size_t count, std::uint32_t seed) {
  std::vector<float> values(count);
  for (float& value : values) {
    seed = seed * 1664525U + 1013904223U;
    value = static_cast<float>(seed >> 8U) / 8388608.0F - 1.0F;
  }
  return values;
}

inline std::vector<std::int16_t> speech_like(std::size_t count, std::uint32_t seed) {
  const auto values = noise(count, seed);
  std::vector<std::int16_t> audio(count);
  for (std::size_t i = 0; i < count; ++i) {
    const float swell = static_cast<float>((i / 1600) % 7) / 7.0F;
    audio[i] = static_cast<std::int16_t>(values[i] * 200.0F + swell * 9000.0F * values[i / 20 * 20]);
  }
  return audio;
}

/// A whole file, aligned for any type.
inline std::vector<std::byte> file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::vector<std::byte> bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

}  // namespace tml::test
