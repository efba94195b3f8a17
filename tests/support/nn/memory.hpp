// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// An arena, or a package, as a board has it: 16-byte aligned and of an exact size, with guard bytes at both ends that
// tell when something was written outside.
#pragma once

#include <algorithm>
#include <cstdint>
#include <new>
#include <span>
#include <vector>

namespace tml::test::nn {

class Memory {
 public:
  explicit Memory(std::size_t bytes)
      : size_(bytes), block_(static_cast<std::uint8_t*>(::operator new (bytes + 2 * kGuard, std::align_val_t{16}))) {
    std::fill_n(block_, bytes + 2 * kGuard, kPattern);
  }
  explicit Memory(std::span<const std::uint8_t> content) : Memory(content.size()) {
    std::copy(content.begin(), content.end(), span().begin());
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { ::operator delete (block_, std::align_val_t{16}); }

  [[nodiscard]] std::span<std::uint8_t> span() { return {block_ + kGuard, size_}; }
  [[nodiscard]] std::uint8_t* data() { return block_ + kGuard; }
  /// False when a guard byte was written.
  [[nodiscard]] bool intact() const {
    const auto untouched = [](std::uint8_t b) { return b == kPattern; };
    return std::all_of(block_, block_ + kGuard, untouched) &&
           std::all_of(block_ + kGuard + size_, block_ + kGuard + size_ + kGuard, untouched);
  }

 private:
  static constexpr std::size_t kGuard = 4096;
  static constexpr std::uint8_t kPattern = 0xA5;

  std::size_t size_;
  std::uint8_t* block_;
};

}  // namespace tml::test::nn
