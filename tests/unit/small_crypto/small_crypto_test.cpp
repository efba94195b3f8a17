// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The small SHA-512 and the small reduction of scalars against libsodium's.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <vector>

#include "firmware/boards/common/small/scalar.hpp"
#include "firmware/boards/common/small/sha512.hpp"

namespace tml::fw::boards {
namespace {

std::array<std::uint8_t, 64> padded_hash(std::vector<std::uint8_t> message) {
  const std::uint64_t bits = std::uint64_t{message.size()} * 8;
  message.push_back(0x80);
  while (message.size() % kSha512BlockBytes != 112) message.push_back(0);
  message.insert(message.end(), 8, 0);
  for (unsigned i = 0; i < 8; ++i) message.push_back(static_cast<std::uint8_t>(bits >> (56 - 8 * i)));
  Sha512State state = sha512_start();
  for (std::size_t at = 0; at < message.size(); at += kSha512BlockBytes)
    sha512_block(state, std::span<const std::uint8_t, kSha512BlockBytes>(message.data() + at, kSha512BlockBytes));
  std::array<std::uint8_t, 64> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::uint8_t>(state[i / 8] >> (56 - i % 8 * 8));
  return out;
}

std::array<std::uint8_t, 64> reduced(std::array<std::uint8_t, 64> number) {
  reduce_scalar(number);
  return number;
}

std::array<std::uint8_t, 64> by_sodium(const std::array<std::uint8_t, 64>& number) {
  std::array<std::uint8_t, 64> out{};
  crypto_core_ed25519_scalar_reduce(out.data(), number.data());
  return out;
}

RC_GTEST_PROP(Sha512, IsLibsodiums, (std::vector<std::uint8_t> message)) {
  message.resize(*rc::gen::inRange<std::size_t>(0, 700), 0x5A);
  std::array<std::uint8_t, 64> expected{};
  crypto_hash_sha512(expected.data(), message.data(), message.size());
  RC_ASSERT(padded_hash(message) == expected);
}

RC_GTEST_PROP(Scalar, IsLibsodiums, ()) {
  const auto number = *rc::gen::container<std::array<std::uint8_t, 64>>(rc::gen::arbitrary<std::uint8_t>());
  RC_ASSERT(reduced(number) == by_sodium(number));
}

// The order itself, its neighbours and multiples, and the largest number.
TEST(Scalar, AtTheEdges) {
  constexpr std::array<std::uint8_t, 32> kOrder{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                                0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                                0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};
  for (int step = -2; step <= 2; ++step) {
    for (std::size_t shift = 0; shift <= 32; shift += 8) {
      std::array<std::uint8_t, 64> number{};
      std::copy(kOrder.begin(), kOrder.end(), number.begin() + static_cast<std::ptrdiff_t>(shift));
      number[shift] = static_cast<std::uint8_t>(number[shift] + step);
      EXPECT_EQ(reduced(number), by_sodium(number)) << step << " " << shift;
    }
  }
  std::array<std::uint8_t, 64> most{};
  most.fill(0xFF);
  EXPECT_EQ(reduced(most), by_sodium(most));
  EXPECT_EQ(reduced({}), by_sodium({}));
}

}  // namespace
}  // namespace tml::fw::boards
