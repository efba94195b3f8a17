// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Where random layers take their choices from: a seed (property tests) or the bytes of a fuzzer. Repeats exactly.
#pragma once

#include <cstdint>
#include <span>

namespace tml::test::nn {

class Entropy {
 public:
  explicit Entropy(std::uint64_t seed) : state_(seed) {}
  /// Takes from `bytes` first, then from a generator that they seed.
  explicit Entropy(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
    for (const std::uint8_t b : bytes) state_ = (state_ ^ b) * 0x100000001B3ULL;
  }

  std::uint32_t word() {
    if (bytes_.size() >= 4) {
      std::uint32_t value = 0;
      for (int n = 0; n < 4; ++n) value = value << 8 | bytes_[static_cast<std::size_t>(n)];
      bytes_ = bytes_.subspan(4);
      return value;
    }
    // SplitMix64.
    state_ += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return static_cast<std::uint32_t>((z ^ (z >> 31)) >> 32);
  }
  /// In [low, high].
  int between(int low, int high) {
    const auto range = static_cast<std::uint64_t>(std::int64_t{high} - low) + 1;
    return static_cast<int>(low + static_cast<std::int64_t>(word() % range));
  }
  bool one_in(int n) { return between(1, n) == 1; }
  std::int8_t byte() { return static_cast<std::int8_t>(between(-128, 127)); }
  /// Often an end of the range: that is where kernels err.
  std::int8_t edgy_byte() {
    if (!one_in(4)) return byte();
    constexpr std::int8_t kEdges[] = {-128, -127, -1, 0, 1, 126, 127};
    return kEdges[between(0, 6)];
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::uint64_t state_ = 0;
};

}  // namespace tml::test::nn
