// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// One step with random data, carried out by the reference kernel and by the one for the Cortex-M4F in arenas of their
// own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "firmware/nn/kernels.hpp"
#include "firmware/nn/layout.hpp"

namespace tml::test {

/// splitmix64, seeded per case, so that a case can be told by its number.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  /// In [low, high].
  int in(int low, int high) { return low + static_cast<int>(next() % static_cast<std::uint64_t>(high - low + 1)); }
  std::int8_t byte() { return static_cast<std::int8_t>(next() >> 56U); }

 private:
  std::uint64_t state_;
};

/// Random weights and channels in the layout of model_steps.hpp, for K inputs per value. They stay within the bounds
/// that the compiler checks, and mostly give outputs that do not saturate.
void make_conv_weights(std::span<std::uint8_t> to, std::size_t channels, std::size_t k, Random& random);
void make_depthwise_weights(std::span<std::uint8_t> to, std::size_t channels, std::size_t taps, Random& random);
void make_fully_connected_weights(std::span<std::uint8_t> to, std::size_t rows, std::size_t k, bool any,
                                  Random& random);

/// Where a case's step finds its memory.
inline constexpr std::size_t kArenaBytes = 512 * 1024;
inline constexpr std::size_t kConstantBytes = 256 * 1024;

/// Places input (`e.input` bytes), output and scratch of a record with guards between them, or, where the step allows
/// it and `in_place` asks for it, the output over the input; fills the arenas with random bytes, runs ref and m4 and
/// compares every byte. False with a word on the console when they differ or something beyond the output and scratch
/// changed. The m4 kernel runs between bench_begin() and bench_end().
[[nodiscard]] bool same_result(wire::model::Step& step, bool in_place, Random& random);

/// The constants section of the case at hand.
[[nodiscard]] std::span<std::uint8_t> constants();

}  // namespace tml::test
