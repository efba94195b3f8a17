// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/mps2_an386/stack_mark.hpp"

extern "C" {
// Of the linker script; only their addresses mean something.
extern std::uint32_t tml_stack_top;
extern std::uint32_t tml_stack_bottom;
}

namespace tml::fw::mps2 {
namespace {

constexpr std::uint32_t kPaint = 0x7A1A7A1A;
// A deep call may leave a buffer of its frame unwritten: so many words in a row are untouched stack.
constexpr std::uint32_t kRun = 512;

const volatile std::uint32_t* deepest = &tml_stack_top;

bool painted(const volatile std::uint32_t* from) {
  for (std::uint32_t i = 1; i <= kRun && from - i >= &tml_stack_bottom; ++i) {
    if (from[-static_cast<std::int32_t>(i)] != kPaint) return false;
  }
  return true;
}

}  // namespace

__attribute__((noinline)) void paint_stack() {
  volatile std::uint32_t here = 0;
  for (volatile std::uint32_t* word = &tml_stack_bottom; word < &here; ++word) *word = kPaint;
}

std::uint32_t deepest_stack() {
  while (deepest > &tml_stack_bottom && !painted(deepest)) --deepest;
  return static_cast<std::uint32_t>(&tml_stack_top - deepest) * sizeof(std::uint32_t);
}

}  // namespace tml::fw::mps2
