// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/flash_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "tests/support/temp_dir.hpp"

namespace tml::fw::native {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tml::test::TempDir;

constexpr std::uint32_t kSize = 64 * hal::kFlashSectorBytes;

class FlashFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<FlashFile> open() {
    auto flash = FlashFile::open(folder_.path(), kSize, [this](const std::string& text) { panics_.push_back(text); });
    EXPECT_TRUE(flash) << flash.error().message();
    return flash ? std::move(*flash) : nullptr;
  }
  static std::vector<std::uint8_t> read(FlashFile& flash, std::uint32_t offset, std::size_t count) {
    std::vector<std::uint8_t> out(count);
    EXPECT_TRUE(flash.read(offset, out));
    return out;
  }
  tml::test::TempDir folder_;
  std::vector<std::string> panics_;
};

TEST_F(FlashFileTest, IsErasedWhenNewAndTakesNoDisk) {
  const auto flash = open();
  EXPECT_THAT(read(*flash, 0, kSize), Each(0xFF));
  struct stat info {};
  ASSERT_EQ(::stat((folder_.path() / "flash.bin").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, static_cast<off_t>(kSize));
  EXPECT_LT(info.st_blocks * 512, static_cast<off_t>(kSize));
}

TEST_F(FlashFileTest, KeepsWhatWasProgrammed) {
  {
    const auto flash = open();
    EXPECT_TRUE(flash->program(100, std::array<std::uint8_t, 3>{0x12, 0x34, 0xFF}));
    EXPECT_TRUE(flash->program(102, std::array<std::uint8_t, 1>{0x0F}));
    EXPECT_TRUE(flash->program(102, std::array<std::uint8_t, 1>{0x0E}));
  }
  const auto flash = open();
  EXPECT_THAT(read(*flash, 99, 5), ElementsAre(0xFF, 0x12, 0x34, 0x0E, 0xFF));
}

TEST_F(FlashFileTest, RefusesToTurnZeroIntoOneAndSaysWhere) {
  const auto flash = open();
  ASSERT_TRUE(flash->program(0x1000, std::array<std::uint8_t, 2>{0xFF, 0xF0}));
  EXPECT_FALSE(flash->program(0x1000, std::array<std::uint8_t, 2>{0x00, 0x0F}));
  ASSERT_EQ(panics_.size(), 1U);
  EXPECT_THAT(panics_[0], HasSubstr("0x00001001"));
  EXPECT_THAT(read(*flash, 0x1000, 2), ElementsAre(0xFF, 0xF0));
}

TEST_F(FlashFileTest, RefusesWhatAChipCannotDo) {
  const auto flash = open();
  const std::array<std::uint8_t, 2> two{0, 0};
  std::array<std::uint8_t, 2> into{};
  EXPECT_FALSE(flash->program(255, two));
  EXPECT_FALSE(flash->program(kSize - 1, two));
  EXPECT_FALSE(flash->program(UINT32_MAX, two));
  EXPECT_FALSE(flash->read(kSize - 1, into));
  EXPECT_FALSE(flash->read(UINT32_MAX, into));
  EXPECT_FALSE(flash->erase_sector(1));
  EXPECT_FALSE(flash->erase_sector(kSize));
  EXPECT_EQ(panics_.size(), 7U);
  EXPECT_TRUE(flash->program(254, two));
}

TEST_F(FlashFileTest, CountsWearForLife) {
  {
    const auto flash = open();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(flash->erase_sector(5 * hal::kFlashSectorBytes));
    EXPECT_TRUE(flash->erase_sector(0));
  }
  const auto flash = open();
  EXPECT_TRUE(flash->erase_sector(5 * hal::kFlashSectorBytes));
  const FlashWear wear = flash->wear();
  EXPECT_EQ(wear.erases, 5U);
  EXPECT_EQ(wear.most_worn, 4U);
  EXPECT_EQ(wear.most_worn_sector, 5U);
}

TEST_F(FlashFileTest, EraseTouchesOneSector) {
  const auto flash = open();
  const std::array<std::uint8_t, 1> zero{0};
  for (const std::uint32_t offset : {4095U, 4096U, 8191U, 8192U}) ASSERT_TRUE(flash->program(offset, zero));
  ASSERT_TRUE(flash->erase_sector(4096));
  EXPECT_EQ(read(*flash, 4095, 1)[0], 0);
  EXPECT_THAT(read(*flash, 4096, 4096), Each(0xFF));
  EXPECT_EQ(read(*flash, 8192, 1)[0], 0);
}

TEST_F(FlashFileTest, OneBoardPerFolder) {
  const auto flash = open();
  const auto second = FlashFile::open(folder_.path(), kSize, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::busy);
}

TEST_F(FlashFileTest, AnotherSizeIsAUsageError) {
  open().reset();
  const auto other = FlashFile::open(folder_.path(), kSize / 2, {});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::usage);
  EXPECT_THAT(other.error().message(), HasSubstr("--flash-mib"));
}

TEST_F(FlashFileTest, SurvivesAKill) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto flash = FlashFile::open(folder_.path(), kSize, {});
    const std::array<std::uint8_t, 4> bytes{1, 2, 3, 4};
    const bool done = flash && (*flash)->erase_sector(0) && (*flash)->program(7, bytes);
    const char result = done ? 'y' : 'n';
    (void)!::write(ready[1], &result, 1);
    ::pause();
    ::_exit(0);
  }
  char result = 0;
  ASSERT_EQ(::read(ready[0], &result, 1), 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  ASSERT_EQ(result, 'y');
  const auto flash = open();
  EXPECT_THAT(read(*flash, 7, 4), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(flash->wear().erases, 1U);
}

TEST_F(FlashFileTest, AMappedRangeFollowsWhatIsProgrammedAndErased) {
  const auto flash = open();
  const std::uint32_t at = 2 * hal::kFlashSectorBytes - 2;
  ASSERT_TRUE(flash->program(at, std::array<std::uint8_t, 2>{0x12, 0x34}));
  EXPECT_THAT(flash->mapped(at - 1, 5), ElementsAre(0xFF, 0x12, 0x34, 0xFF, 0xFF));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(flash->mapped(16, 1).data()) % 16, 0U);
  ASSERT_TRUE(flash->program(at, std::array<std::uint8_t, 1>{0x02}));
  ASSERT_TRUE(flash->program(at + 2, std::array<std::uint8_t, 1>{0x56}));
  EXPECT_THAT(flash->mapped(at, 3), ElementsAre(0x02, 0x34, 0x56));
  ASSERT_TRUE(flash->erase_sector(hal::kFlashSectorBytes));
  EXPECT_THAT(flash->mapped(at, 3), ElementsAre(0xFF, 0xFF, 0x56));
  EXPECT_TRUE(flash->mapped(0, 0).empty());
  EXPECT_TRUE(flash->mapped(kSize, 1).empty());
  EXPECT_TRUE(flash->mapped(16, kSize).empty());
  EXPECT_THAT(panics_, ::testing::IsEmpty());
}

}  // namespace
}  // namespace tml::fw::native
