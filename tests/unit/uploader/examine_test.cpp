// SPDX-License-Identifier: Apache-2.0
#include "uploader/examine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.hpp"

namespace tml::uploader {
namespace {

using ::testing::HasSubstr;

class ExamineTest : public ::testing::Test {
 protected:
  Upload file(const std::string& name, std::string_view content) {
    Upload upload;
    upload.path = folder.put(name, content).string();
    upload.name = name;
    upload.content_type = content_type_for(name);
    return upload;
  }
  /// The header of a mono WAV file of 8 bits per frame, and its frames as a hole.
  Upload wav(std::uint32_t frames) {
    std::string header = "RIFF....WAVEfmt ";
    const auto u32 = [](std::uint32_t value) {
      std::string bytes;
      for (unsigned shift = 0; shift < 32; shift += 8) bytes += static_cast<char>((value >> shift) & 0xFFU);
      return bytes;
    };
    header.replace(4, 4, u32(frames + 36));
    header += u32(16) + u32(0x00010001U) + u32(8000) + u32(8000) + u32(0x00080001U) + "data" + u32(frames);
    Upload upload = file("a.wav", header);
    std::filesystem::resize_file(upload.path, header.size() + frames);
    return upload;
  }

  test::TempDir folder;
  FileRules rules;
};

TEST_F(ExamineTest, SizesByKind) {
  rules.max_file_bytes = 3U << 20U;
  rules.max_table_bytes = 5U << 20U;
  const std::string four(4U << 20U, 'x');
  EXPECT_TRUE(open_upload(file("a.csv", four), rules));
  EXPECT_TRUE(open_upload(file("a.txt", four), rules));
  const auto large = open_upload(file("a.jpg", four), rules);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Errc::limit);
  EXPECT_THAT(large.error().what, HasSubstr("max. size is 3MB"));
  EXPECT_EQ(open_upload(file("b.csv", ""), rules).error().code, Errc::malformed);
  const auto attachment = file("c.png", four).path;
  EXPECT_TRUE(open_attachment(attachment, four.size()));
  EXPECT_EQ(open_attachment(attachment, four.size() - 1).error().code, Errc::limit);
}

TEST_F(ExamineTest, WhatPlanningFoundComesFirst) {
  Upload upload = file("a.csv", "");
  upload.problem = Error{Errc::refused, "no", upload.path, {}, {}};
  EXPECT_EQ(open_upload(upload, rules).error().code, Errc::refused);
}

TEST_F(ExamineTest, WhoIsFedToTheChecker) {
  const Upload csv = file("a.csv", "x");
  const Upload text = file("a.txt", "x");
  Upload described = csv;
  described.metadata = {{"csv_axes", "a"}};
  EXPECT_FALSE(csv_checker(csv, rules));
  rules.check_csv = true;
  EXPECT_TRUE(csv_checker(csv, rules));
  EXPECT_FALSE(csv_checker(text, rules)) << "nobody says that it is a table";
  EXPECT_FALSE(csv_checker(described, rules)) << "its manifest does";
  rules.check_csv = false;
  rules.csv.frequency_hz = 10;
  EXPECT_TRUE(csv_checker(csv, rules));
  EXPECT_TRUE(csv_checker(text, rules));
  EXPECT_FALSE(csv_checker(file("a.json", "x"), rules));
}

TEST_F(ExamineTest, AWavFileMustBeFitForADocument) {
  const Upload upload = wav(60'000'000);
  const auto opened = open_upload(upload, rules);
  ASSERT_TRUE(opened);
  rules.check_wav = true;
  EXPECT_TRUE(examine_wav(upload, **opened, rules));
  rules.wav_documents = true;
  const auto examined = examine_wav(upload, **opened, rules);
  ASSERT_FALSE(examined) << "16 bits per sample make it twice as large";
  EXPECT_EQ(examined.error().code, Errc::limit);
  const Upload broken = file("b.wav", "RIFF");
  const auto bytes = open_upload(broken, rules);
  ASSERT_TRUE(bytes);
  EXPECT_FALSE(examine_wav(broken, **bytes, rules));
  rules = {};
  EXPECT_TRUE(examine_wav(broken, **bytes, rules));
}

}  // namespace
}  // namespace tml::uploader
