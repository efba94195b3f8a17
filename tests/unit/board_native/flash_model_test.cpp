// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/flash_model.hpp"

#include <gtest/gtest.h>

#include <array>

#include "common/base/clock.hpp"
#include "firmware/boards/native/board_hal.hpp"
#include "firmware/boards/native/flash_file.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::fw::native {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kSize = 16 * hal::kFlashSectorBytes;

TEST(FlashTimesSpec, TwoNumbersOfMilliseconds) {
  const auto times = parse_flash_times("45:0.7");
  ASSERT_TRUE(times);
  EXPECT_EQ(times->erase, 45ms);
  EXPECT_EQ(times->page, 700us);
  for (const char* const wrong : {"", "45", "45:", ":1", "45:x", "-1:1", "1:1:1", "nan:1", "20000:1"})
    EXPECT_FALSE(parse_flash_times(wrong)) << wrong;
}

class ModelledFlashTest : public ::testing::Test {
 protected:
  ModelledFlashTest() : file_(std::move(*FlashFile::open(folder_.path(), kSize, {}))) {}
  tml::test::TempDir folder_;
  std::unique_ptr<FlashFile> file_;
};

TEST_F(ModelledFlashTest, OperationsMoveTheClockOfTheBoardAndAddUp) {
  ManualClock clock;
  clock.advance(1s);
  BoardClock board(clock, 1);
  ModelledFlash flash(*file_, {45ms, 700us}, {}, [&board](std::chrono::nanoseconds time) { board.stand_still(time); });
  ASSERT_TRUE(flash.erase_sector(0));
  EXPECT_EQ(board.wire_us(), 45'000U);
  const std::array<std::uint8_t, 4> bytes{1, 2, 3, 4};
  ASSERT_TRUE(flash.program(0, bytes));
  EXPECT_EQ(board.wire_us(), 45'700U);
  EXPECT_EQ(board.still_until(), 1s + 45'700us);
  clock.advance(1s);  // long since ready
  EXPECT_EQ(board.wire_us(), 1'000'000U);
  ASSERT_TRUE(flash.program(4, bytes));
  EXPECT_EQ(board.wire_us(), 1'000'700U);
}

TEST_F(ModelledFlashTest, ABadSectorFailsAndChangesNothing) {
  const std::array<std::uint8_t, 2> bytes{0x12, 0x34};
  ASSERT_TRUE(file_->program(0x1000, bytes));
  ModelledFlash flash(*file_, {}, {0x1000}, {});
  EXPECT_FALSE(flash.erase_sector(0x1000));
  EXPECT_FALSE(flash.program(0x1FFE, bytes));
  EXPECT_TRUE(flash.program(0x2000, bytes));
  EXPECT_EQ(flash.failed(), 2U);
  std::array<std::uint8_t, 2> there{};
  ASSERT_TRUE(flash.read(0x1000, there));
  EXPECT_EQ(there, bytes);
}

}  // namespace
}  // namespace tml::fw::native
