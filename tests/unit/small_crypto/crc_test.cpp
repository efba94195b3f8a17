// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
//
// The CRCs by tables of 16 entries. Nothing else of this program includes crc.hpp.
#define TML_SMALL
#include "common/wire/crc.hpp"

#include <gtest/gtest.h>

namespace tml::wire {
namespace {

TEST(SmallCrcs, CheckValues) {
  EXPECT_EQ(Crc16Ccitt::of("123456789"), 0x6F91U);
  EXPECT_EQ(Crc16Xmodem::of("123456789"), 0x31C3U);
  EXPECT_EQ(Crc32::of("123456789"), 0xCBF43926U);
  EXPECT_EQ(Crc32c::of("123456789"), 0xE3069283U);
}

}  // namespace
}  // namespace tml::wire
