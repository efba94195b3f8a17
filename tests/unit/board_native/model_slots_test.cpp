// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The TML authors
#include "firmware/boards/native/model_slots.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "firmware/boards/native/flash_file.hpp"
#include "firmware/hal/flash_layout.hpp"
#include "tests/support/temp_dir.hpp"

namespace tml::fw::native {
namespace {

using ::testing::HasSubstr;

class ModelSlots : public ::testing::Test {
 protected:
  std::unique_ptr<FlashFile> flash(std::uint32_t size = hal::kLayoutFlashBytes) {
    auto opened = FlashFile::open(folder_.path(), size, [](const std::string& text) { ADD_FAILURE() << text; });
    EXPECT_TRUE(opened) << opened.error().message();
    return std::move(*opened);
  }
  std::filesystem::path file(const std::string& content) {
    const std::filesystem::path path = folder_.path() / "package.tmlm";
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  /// What a package begins with (model_package.hpp), and as much of anything as it says.
  static std::string package_of(std::uint32_t bytes, char content) {
    std::string text("TMLM\1\0\1\0", 8);
    for (unsigned shift = 0; shift < 32; shift += 8) text += static_cast<char>(bytes >> shift & 0xFFU);
    text.resize(bytes, content);
    return text;
  }
  tml::test::TempDir folder_;
};

TEST_F(ModelSlots, NamesAreSlotsInTheOrderOfTheLayout) {
  for (const auto& [text, slot] :
       {std::pair{"0=f", 0U}, {"0a=f", 0U}, {"0B=f", 1U}, {"1=f", 2U}, {"1A=f", 2U}, {"1b=x=y", 3U}}) {
    const Result<ModelFile> model = parse_model_spec(text);
    ASSERT_TRUE(model) << text;
    EXPECT_EQ(model->slot, slot);
  }
  EXPECT_EQ(parse_model_spec("1b=x=y")->path, "x=y");
  for (const char* const text : {"", "0", "0=", "=f", "2=f", "0c=f", "00=f"})
    EXPECT_FALSE(parse_model_spec(text)) << text;
}

TEST_F(ModelSlots, APackageReplacesALongerOneAndIsNotWrittenTwice) {
  const auto board = flash();
  const hal::FlashRegion region = hal::kModelSlotRegions[1];
  ASSERT_TRUE(load_model(*board, {1, file(package_of(10'000, 'x'))}));
  const std::string package = package_of(5004, 'y');
  ASSERT_TRUE(load_model(*board, {1, file(package)}));
  const auto there = board->mapped(region.offset, region.size_bytes);
  EXPECT_EQ(std::string(there.begin(), there.begin() + 5004), package);
  EXPECT_THAT(there.subspan(5004), ::testing::Each(0xFF));
  const std::uint64_t erases = board->wear().erases;
  ASSERT_TRUE(load_model(*board, {1, file(package)}));
  EXPECT_EQ(board->wear().erases, erases);
}

TEST_F(ModelSlots, WhatIsWrongIsSaid) {
  const auto board = flash();
  const Result<void> missing = load_model(*board, {0, folder_.path() / "none"});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::not_found);
  const Result<void> large = load_model(*board, {0, file("TMLM" + std::string(hal::kModelSlotBytes, 'x'))});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Errc::limit);
  EXPECT_THAT(large.error().message(), HasSubstr("slot 0A of 720896 bytes"));
  const Result<void> other = load_model(*board, {0, file("TFL3")});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::malformed);
  EXPECT_THAT(other.error().message(), HasSubstr("tml-flash compile"));
  const Result<void> cut = load_model(*board, {0, file(package_of(5004, 'y').substr(0, 5003))});
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, Errc::malformed);
  EXPECT_THAT(cut.error().message(), HasSubstr("5003 of 5004 bytes"));
  EXPECT_FALSE(load_model(*board, {0, file("TMLM")}));
  EXPECT_EQ(board->wear().erases, 0U);
}

TEST_F(ModelSlots, ASmallFlashHasNone) {
  const auto board = flash(1U << 20U);
  const Result<void> loaded = load_model(*board, {0, file("TMLM")});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::unsupported);
}

}  // namespace
}  // namespace tml::fw::native
