// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Hands out pieces of the caller's scratch, one after another. A block's plan is built twice by the same code: with
// measure = true nothing is handed out and the bytes are counted (check()), then for real (run()).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tml::fw::dsp {

class Scratch {
 public:
  /// Counts only; take() returns empty spans.
  Scratch() = default;
  /// `memory` is aligned to kScratchAlignment.
  explicit Scratch(std::span<std::byte> memory) : memory_(memory), measure_(false) {}

  /// `count` values of T (alignment at most 4), unspecified content. Empty when the memory is too small.
  template <class T>
  [[nodiscard]] std::span<T> take(std::size_t count) {
    static_assert(alignof(T) <= 4);
    const std::uint64_t bytes = (std::uint64_t{count} * sizeof(T) + 3U) & ~std::uint64_t{3};
    const std::uint64_t at = used_;
    used_ += bytes;
    if (measure_ || used_ > memory_.size()) return {};
    return {reinterpret_cast<T*>(memory_.data() + at), count};
  }

  /// Bytes asked for so far.
  [[nodiscard]] std::uint64_t used() const { return used_; }
  [[nodiscard]] bool enough() const { return measure_ || used_ <= memory_.size(); }

 private:
  std::span<std::byte> memory_{};
  std::uint64_t used_ = 0;
  bool measure_ = true;
};

}  // namespace tml::fw::dsp
