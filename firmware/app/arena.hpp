// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// Hands out the board's arena, front to back, for the length of one job. Nothing is given back singly: the next job
// starts anew.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tml::fw::app {

class ArenaTaker {
 public:
  static constexpr std::size_t kAlignment = 16;

  explicit ArenaTaker(std::span<std::uint8_t> memory = {}) : memory_(memory) {}

  /// `bytes` at a multiple of kAlignment. Empty when bytes is 0 or nothing is left; the latter is remembered.
  [[nodiscard]] std::span<std::uint8_t> take(std::uint64_t bytes) {
    const std::uint64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    needed_ += rounded;
    if (bytes == 0 || needed_ > memory_.size()) return {};
    return memory_.subspan(static_cast<std::size_t>(needed_ - rounded), static_cast<std::size_t>(bytes));
  }
  [[nodiscard]] std::span<float> floats(std::uint64_t count) {
    const auto bytes = take(count * sizeof(float));
    return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
  }
  /// What all calls together asked for.
  [[nodiscard]] std::uint64_t needed() const { return needed_; }
  [[nodiscard]] bool failed() const { return needed_ > memory_.size(); }
  [[nodiscard]] std::size_t size() const { return memory_.size(); }

 private:
  std::span<std::uint8_t> memory_;
  std::uint64_t needed_ = 0;
};

}  // namespace tml::fw::app
