// SPDX-License-Identifier: Apache-2.0
#include "common/base/random.hpp"

#include <gtest/gtest.h>

#include <set>

namespace tml {
namespace {

TEST(Random, SeededSequenceIsFixed) {
  SeededRandom random(1234567);
  // First outputs of SplitMix64 for this seed, from the generator's published reference.
  EXPECT_EQ(random.next_u64(), 6457827717110365317ULL);
  EXPECT_EQ(random.next_u64(), 3203168211198807973ULL);
}

TEST(Random, UnitStaysInRange) {
  SeededRandom random(1);
  for (int i = 0; i < 10'000; ++i) {
    const double value = random.next_unit();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
  }
}

TEST(Random, UuidsHaveTheirFormAndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string uuid = make_uuid(system_random());
    ASSERT_EQ(uuid.size(), 36U);
    ASSERT_EQ(uuid[14], '4');
    ASSERT_NE(std::string("89ab").find(uuid[19]), std::string::npos);
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 1000U);
}

}  // namespace
}  // namespace tml
