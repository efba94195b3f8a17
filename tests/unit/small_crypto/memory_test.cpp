// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The bootloader's memcpy() and the like, under other names, against the C library's.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#define memcpy small_memcpy
#define memmove small_memmove
#define memset small_memset
#define memcmp small_memcmp
#define strlen small_strlen
// NOLINTNEXTLINE(bugprone-suspicious-include): it has no header, its names are the C library's
#include "firmware/boards/common/small/memory.cpp"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen

namespace {

using Bytes = std::vector<std::uint8_t>;

std::size_t below(std::size_t end) { return *rc::gen::inRange<std::size_t>(0, end); }

RC_GTEST_PROP(SmallMemory, CopiesMovesAndFills, (std::uint8_t value)) {
  Bytes bytes(96);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + value);
  const std::size_t count = below(40);
  const std::size_t from = below(48);
  const std::size_t to = below(48);
  Bytes moved = bytes;
  Bytes expected = bytes;
  std::memmove(expected.data() + to, expected.data() + from, count);
  small_memmove(moved.data() + to, moved.data() + from, count);
  RC_ASSERT(moved == expected);
  Bytes copied(96);
  small_memcpy(copied.data() + to, bytes.data() + from, count);
  RC_ASSERT(std::equal(copied.begin() + static_cast<std::ptrdiff_t>(to),
                       copied.begin() + static_cast<std::ptrdiff_t>(to + count),
                       bytes.begin() + static_cast<std::ptrdiff_t>(from)));
  RC_ASSERT(static_cast<std::size_t>(std::count(copied.begin(), copied.end(), 0)) >= copied.size() - count);
  std::memset(expected.data() + from, value, count);
  small_memset(moved.data() + from, value, count);
  RC_ASSERT(moved == expected);
}

RC_GTEST_PROP(SmallMemory, Compares, (Bytes a, Bytes b)) {
  const std::size_t count = std::min(a.size(), b.size());
  const auto sign = [](int value) { return (value > 0) - (value < 0); };
  RC_ASSERT(sign(small_memcmp(a.data(), b.data(), count)) == sign(std::memcmp(a.data(), b.data(), count)));
  RC_ASSERT(small_memcmp(a.data(), a.data(), a.size()) == 0);
}

TEST(SmallMemory, Lengths) {
  EXPECT_EQ(small_strlen(""), 0U);
  EXPECT_EQ(small_strlen("bootloader"), 10U);
}

}  // namespace
